//! Editing a key: the next request is judged by the new fields.

use axum::extract::State;
use keyward::audit::Audit;
use keyward::change::KeyChange;
use keyward_api::key::{EditKeyBody, KeyView};
use keyward_axum::{Guard, Rejection};

use super::common::{KeyPath, Shown, expected, reject_change, shown_again};
use crate::change::{Change, Whole};
use crate::precondition::Preconditions;

/// Changes fields of a key, and leaves alone the fields that the body does not name. The next
/// request with the key is judged by it. A list or object replaces the present one.
#[utoipa::path(
    patch, path = "/admin/api-keys/{key_id}", tag = "keys",
    params(KeyPath, Preconditions),
    request_body = EditKeyBody,
    responses(
        (status = 200, description = "The key as it is now", body = KeyView, headers(
            ("ETag" = String, description = "The key's version, and its owner's"),
        )),
        (status = 404, description = "API key not found"),
        (status = 409, description = "API key is revoked"),
        (status = 412, description = "The key has changed since; read it again; \
            The key has not changed; The key is there already"),
    ),
)]
pub(crate) async fn edit_key(
    State(guard): State<Guard>,
    KeyPath { key_id: id }: KeyPath,
    change: Change,
    body: Whole,
) -> Result<Shown, Rejection> {
    let now = guard.now();
    let audit = Audit { at: now.unix, ..change.audit() };
    let edit = body.read::<EditKeyBody>(&guard, now)?.into_edit(now)?;
    let expected = expected(&guard, id, &change).await?;
    let changing = guard.change(id, KeyChange::Edit(Box::new(edit)), expected, audit);
    changing.await.map_err(|error| reject_change(&guard, error))?;
    shown_again(&guard, id).await
}
