//! Enumerated values, each with its word.

use keyward::audit::Verb;
use keyward::query::{Bucket, TopBy};
use keyward::record::Stage;
use serde::{Deserialize, Serialize};

/// A word of a response, which may be one that only a newer server has.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Word<T> {
    /// A word that is known.
    Known(T),
    /// Another one.
    Other(String),
}

/// Declares such a type: what it holds, every value, and the word of one.
macro_rules! words {
    ($(
        #[doc = $about:literal]
        $name:ident($inner:ty) as $schema:literal is one of $all:expr, called $word:expr;
    )*) => {$(
        #[doc = $about]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl $name {
            /// The word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                ($word)(self.0)
            }

            /// Every word.
            #[must_use]
            pub fn words() -> Vec<&'static str> {
                $all.into_iter().map($word).collect()
            }

            /// The value that a word names.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                $all.into_iter().map(Self).find(|it| it.as_str() == word)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <String as serde::Deserialize>::deserialize(deserializer)?;
                let unknown = || serde::de::Error::custom(format!("{word} is no word for it"));
                Self::of(&word).ok_or_else(unknown)
            }
        }

        impl $crate::query::Parameter for $name {
            fn read(
                parameters: &mut $crate::query::Parameters<'_>,
                name: &'static str,
            ) -> Option<Self> {
                parameters.one_of(name, &Self::words()).and_then(Self::of)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let object = utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String);
                let object = object.description(Some($about.trim_start()));
                object.enum_values(Some(Self::words())).into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                $schema.into()
            }
        }
    )*};
}

pub(crate) use words;

words! {
    /// Where in its life a key is.
    StageWord(Stage) as "KeyState" is one of Stage::ALL, called Stage::as_str;

    /// The verb of a change.
    VerbWord(Verb) as "VerbText" is one of Verb::ALL, called Verb::as_str;

    /// The span of a sum of usage.
    BucketWord(Bucket) as "BucketView" is one of [Bucket::Hour, Bucket::Day], called bucket;

    /// The count that the most used keys are ordered by.
    TopByWord(TopBy) as "TopBy" is one of [TopBy::Requests, TopBy::Denials], called top_by;

    /// Which come first.
    OrderWord(bool) as "Order" is one of [false, true], called order;
}

fn bucket(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Hour => "hour",
        Bucket::Day => "day",
    }
}

fn top_by(by: TopBy) -> &'static str {
    match by {
        TopBy::Requests => "requests",
        TopBy::Denials => "denials",
    }
}

/// Whether the latest come first.
fn order(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}
