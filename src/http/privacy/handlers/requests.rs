//! Requests of the user: filed, listed, confirmed and cancelled.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::{
    answer::{Answer, Refusal, invalid, ok, with_status},
    members::Members,
    page::{Page, parameter},
    problems,
    rules::SendToken,
    user_request::UserRequest,
};
use crate::{
    error::{Error, ErrorKind},
    http::problem::Problem,
    model::privacy::{ConfirmationToken, PrivacyRequest, RequestId, RequestKind, RequestState},
    store::RequestQuery,
};

/// The longest time to send a token.
const MAX_SENDING: Duration = Duration::from_secs(10);

pub(super) async fn list(request: &UserRequest, kind: Option<RequestKind>) -> Answer {
    let page = Page::<Uuid>::of(&request.parts.uri)?;
    let query = RequestQuery::new().user(request.user.clone()).limit(page.and_one_more());
    let query = page.after.into_iter().map(RequestId::from).fold(query, RequestQuery::after);
    let query = kind.into_iter().fold(query, RequestQuery::kind);
    let is_open = parameter(&request.parts.uri, "open")?.unwrap_or(false);
    let mut requests = request.rights.requests(if is_open { query.open() } else { query }).await?;
    let next = page.next(&mut requests, |request| request.id);
    ok(&json!({ "requests": requests, "next": next }))
}

pub(super) async fn one(request: &UserRequest, id: RequestId) -> Answer {
    ok(&json!({ "request": own_request(request, id).await? }))
}

pub(super) async fn file(request: &UserRequest, kind: Option<RequestKind>, mut members: Members) -> Answer {
    let kind = kind.ok_or_else(|| Refusal::naming(problems::PARAMETER, "kind"))?;
    if let (RequestKind::Erasure, Some(send)) = (kind, &request.shared.rules.send) {
        // There is no message: no person reads this request.
        members.end()?;
        return file_erasure(request, &**send).await;
    }
    let message = members.text("message")?;
    members.end()?;
    let filed =
        request.rights.file_request(&request.user, kind, message.as_deref()).await.map_err(invalid("message"))?;
    with_status(status(filed.is_duplicate), &json!({ "request": filed.request, "duplicate": filed.is_duplicate }))
}

pub(super) async fn cancel(request: &UserRequest, id: RequestId, members: Members) -> Answer {
    members.end()?;
    let found = own_request(request, id).await?;
    let cancelled =
        request.rights.cancel_request(&request.user, found.id).await.map_err(or_problem(problems::NOT_FOUND))?;
    ok(&json!({ "request": cancelled }))
}

pub(super) async fn confirm(request: &UserRequest, id: RequestId, mut members: Members) -> Answer {
    let token = members.text("token")?.map(Zeroizing::new);
    members.end()?;
    let token = token.and_then(|token| ConfirmationToken::parse(token.as_bytes()));
    let token = token.ok_or_else(|| Refusal::naming(problems::FIELD, "token"))?;
    // Checked before the token, as wrong tokens are counted.
    let found = own_request(request, id).await?;
    let is_waiting = matches!(found.state, RequestState::Received | RequestState::Verified);
    if found.kind != RequestKind::Erasure || !is_waiting {
        return Err(problems::CONFLICT.into());
    }
    let confirmed = request.rights.confirm_erasure(id, &token).await.map_err(or_problem(problems::NOT_CONFIRMED))?;
    ok(&json!({ "request": confirmed }))
}

async fn file_erasure(request: &UserRequest, send: &SendToken) -> Answer {
    let asked = request.rights.request_erasure(&request.user).await?;
    let is_sent = asked.token.is_some();
    if let Some(token) = asked.token {
        let sending = send(request.user.clone(), asked.request.id, token);
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

/// The request, if it is the user's. Others do not exist for the user.
async fn own_request(request: &UserRequest, id: RequestId) -> Result<PrivacyRequest, Refusal> {
    let found = request.rights.request(id).await?;
    let found = found.filter(|found| found.user() == Some(&request.user));
    Ok(found.ok_or(problems::NOT_FOUND)?)
}

/// Answers `problem` if the request is not the user's.
fn or_problem(problem: Problem) -> impl FnOnce(Error) -> Refusal {
    move |error| match error.kind() {
        ErrorKind::InvalidInput => problem.into(),
        _ => error.into(),
    }
}

fn status(is_duplicate: bool) -> StatusCode {
    if is_duplicate { StatusCode::OK } else { StatusCode::CREATED }
}
