//! Requests: filed, listed, confirmed, taken back.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    answer::{Answer, Refusal, ok, with_status, wrong},
    asking::Asking,
    paging::{Page, parameter},
    problems,
    reading::Members,
    rules::SendToken,
};
use crate::{
    error::{Error, ErrorKind},
    http::problem::Problem,
    model::privacy::{ConfirmationToken, PrivacyRequest, RequestId, RequestKind, RequestState},
    store::RequestQuery,
};

/// So long it may take to send a token.
const MAX_SENDING: Duration = Duration::from_secs(10);

pub(super) async fn list(asking: &Asking, kind: Option<RequestKind>) -> Answer {
    let page = Page::<Uuid>::of(&asking.parts.uri)?;
    let query = RequestQuery::new().user(asking.user.clone()).limit(page.and_one_more());
    let query = page.after.into_iter().map(RequestId::from).fold(query, RequestQuery::after);
    let query = kind.into_iter().fold(query, RequestQuery::kind);
    let is_open = parameter(&asking.parts.uri, "open")?.unwrap_or(false);
    let mut requests = asking.rights.requests(if is_open { query.open() } else { query }).await?;
    let next = page.next(&mut requests, |request| request.id);
    ok(&json!({ "requests": requests, "next": next }))
}

pub(super) async fn one(asking: &Asking, id: RequestId) -> Answer {
    ok(&json!({ "request": theirs(asking, id).await? }))
}

pub(super) async fn file(asking: &Asking, kind: Option<RequestKind>, mut members: Members) -> Answer {
    let kind = kind.ok_or_else(|| Refusal::naming(problems::PARAMETER, "kind"))?;
    if let (RequestKind::Erasure, Some(send)) = (kind, &asking.shared.rules.send) {
        // Nobody would read a message.
        members.end()?;
        return file_erasure(asking, &**send).await;
    }
    let message = members.text("message")?;
    members.end()?;
    let filed = asking.rights.file(&asking.user, kind, message.as_deref()).await.map_err(wrong("message"))?;
    with_status(status(filed.is_duplicate), &json!({ "request": filed.request, "duplicate": filed.is_duplicate }))
}

pub(super) async fn cancel(asking: &Asking, id: RequestId, members: Members) -> Answer {
    members.end()?;
    let request = theirs(asking, id).await?;
    let request = asking.rights.cancel(&asking.user, request.id).await.map_err(or(problems::NOT_FOUND))?;
    ok(&json!({ "request": request }))
}

pub(super) async fn confirm(asking: &Asking, id: RequestId, mut members: Members) -> Answer {
    let token = members.text("token")?.map(Zeroizing::new);
    members.end()?;
    let token = token.and_then(|token| ConfirmationToken::parse(token.as_bytes()));
    let token = token.ok_or_else(|| Refusal::naming(problems::FIELD, "token"))?;
    // Before the token is tried, which counts.
    let request = theirs(asking, id).await?;
    let is_waiting = matches!(request.state, RequestState::Received | RequestState::Verified);
    if request.kind != RequestKind::Erasure || !is_waiting {
        return Err(problems::CONFLICT.into());
    }
    let request = asking.rights.confirm_erasure(id, &token).await.map_err(or(problems::NOT_CONFIRMED))?;
    ok(&json!({ "request": request }))
}

async fn file_erasure(asking: &Asking, send: &SendToken) -> Answer {
    let asked = asking.rights.request_erasure(&asking.user).await?;
    let is_sent = asked.token.is_some();
    if let Some(token) = asked.token {
        let sending = send(asking.user.clone(), asked.request.id, token);
        let sent = tokio::time::timeout(MAX_SENDING, sending)
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "a token was not sent in time")));
        if let Err(error) = sent {
            tracing::error!(error = %error.chain(), "a token could not be sent");
            return Err(Problem::RIGHTS_UNAVAILABLE.into());
        }
    }
    let answer = json!({ "request": asked.request, "duplicate": asked.is_duplicate, "token_sent": is_sent });
    with_status(status(asked.is_duplicate), &answer)
}

/// The request, if it is the user's. Another's is not there at all.
async fn theirs(asking: &Asking, id: RequestId) -> Result<PrivacyRequest, Refusal> {
    let request = asking.rights.request(id).await?;
    let request = request.filter(|request| request.user() == Some(&asking.user));
    Ok(request.ok_or(problems::NOT_FOUND)?)
}

/// `problem`, if the rights say that this is nothing of the user's.
fn or(problem: Problem) -> impl FnOnce(Error) -> Refusal {
    move |error| match error.kind() {
        ErrorKind::InvalidInput => problem.into(),
        _ => error.into(),
    }
}

fn status(is_duplicate: bool) -> StatusCode {
    if is_duplicate { StatusCode::OK } else { StatusCode::CREATED }
}
