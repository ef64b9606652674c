//! Enums of which each variant has one word.

/// Declares such an enum, the list of its variants, and their words.
macro_rules! words {
    (
        $(#[$about:meta])+
        pub enum $of:ident {
            $($(#[$doc:meta])+ $name:ident = $word:literal,)+
        }
    ) => {
        $(#[$about])+
        pub enum $of {
            $($(#[$doc])+ $name,)+
        }

        impl $of {
            /// All of them.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// Its one word, for metrics, logs and traces.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

pub(crate) use words;
