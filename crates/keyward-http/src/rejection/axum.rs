//! Rejections as responses of axum.

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::Extensions;

use super::Rejection;
use crate::form::Form;

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let kept = Box::new(self.clone());
        let mut response = self.respond::<Body>(Form::Plain);
        // A layer that knows which form the client accepts makes a problem document of it.
        response.extensions_mut().insert(kept);
        response
    }
}

impl Rejection {
    /// Takes the rejection that a response of axum was made from out of its extensions, if it was
    /// made from one: a layer that knows the request writes it in another form.
    #[must_use]
    pub fn taken_from(extensions: &mut Extensions) -> Option<Self> {
        extensions.remove::<Box<Self>>().map(|rejection| *rejection)
    }
}
