//! [`PrivacyRequest`]: a user exercises a right, and there is a month to answer (GDPR, Article 12).

mod due;
mod names;
mod state;
mod stored;
mod token;

use std::fmt;

use self::token::Challenge;
pub use self::{
    names::{RequestId, RequestKind, RequestSubject},
    state::{RequestState, RequestStep},
    stored::StoredRequest,
    token::ConfirmationToken,
};
use super::{Pseudonym, Restriction, RestrictionReason};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    time::Timestamp,
};

/// A request of a user to exercise a right, from its receipt to its answer, and then as proof of
/// that.
///
/// ```text
///                  verify                begin                 complete
/// Received ------------------> Verified --------> InProgress ----------> Done | Partial
///    |  confirm (erasure)         |                   |
///    +--------> Confirmed <-------+                   |          Partial --> Done: hold released
///                  | complete: Done | Partial         |
///                  +----------------------------------+
/// ```
///
/// Every open request can be rejected. Every open request can be cancelled, except an erasure that
/// is in progress or whose grace period is over.
///
/// A request is due one calendar month after its receipt, in UTC; on the last day of a shorter
/// month.
///
/// ```
/// use tower_guestbook::{
///     Timestamp, UserId,
///     privacy::{PrivacyRequest, RequestKind, RequestState, RequestStep},
/// };
///
/// // 2027-01-31T12:00:00Z
/// let received = Timestamp::from_millis(1_801_396_800_000);
/// let ada = UserId::try_from("ada")?;
/// let mut request = PrivacyRequest::receive(ada, RequestKind::Access, received)?;
/// assert_eq!(request.due_at, Timestamp::from_millis(1_803_816_000_000), "2027-02-28T12:00:00Z");
/// request.step(RequestStep::Verify, received)?;
/// request.step(RequestStep::Complete, received)?;
/// assert_eq!(request.state, RequestState::Done);
/// assert!(request.step(RequestStep::Cancel, received).is_err(), "the request is closed");
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrivacyRequest {
    /// The id.
    pub id: RequestId,
    /// The right.
    pub kind: RequestKind,
    /// Whose request it is.
    pub subject: RequestSubject,
    /// The state.
    pub state: RequestState,
    /// When the request was received.
    pub received_at: Timestamp,
    /// The deadline.
    pub due_at: Timestamp,
    /// The reason why the deadline was extended.
    pub extended: Option<Box<str>>,
    /// When the request was answered or closed otherwise.
    pub closed_at: Option<Timestamp>,
    /// The message of the user. It is removed with the user's name.
    pub message: Option<Box<str>>,
    /// The number of changes.
    pub version: u64,
    challenge: Option<Challenge>,
}

/// The result of presenting a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// The token is right.
    Right,
    /// The token is wrong, which costs one try.
    Wrong,
    /// No token is expected.
    Unasked,
}

/// The longest text, in bytes.
const MAX_TEXT: usize = 1_000;

impl PrivacyRequest {
    /// Creates a request that is received now.
    ///
    /// # Errors
    ///
    /// As for [`RequestId::generate`].
    pub fn receive(user: UserId, kind: RequestKind, now: Timestamp) -> Result<Self> {
        Ok(Self {
            id: RequestId::generate(now)?,
            kind,
            subject: RequestSubject::User(user),
            state: RequestState::Received,
            received_at: now,
            due_at: due::months_after(now, 1),
            extended: None,
            closed_at: None,
            message: None,
            version: 1,
            challenge: None,
        })
    }

    /// Sets the message of the user.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if it is empty or longer than 1,000 bytes.
    pub fn message(mut self, message: &str) -> Result<Self> {
        self.message = Some(checked(message)?);
        Ok(self)
    }

    /// Takes a step. A refused step changes nothing.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the [state](Self) does not allow this step.
    /// [`InvalidInput`](ErrorKind::InvalidInput) if a text is empty or too long.
    pub fn step(&mut self, step: RequestStep, now: Timestamp) -> Result<()> {
        use RequestState as State;
        let is_erasure = self.kind == RequestKind::Erasure;
        let next = match (&self.state, step) {
            (State::Received, RequestStep::Verify) => State::Verified,
            (State::Received | State::Verified, RequestStep::Confirm { grace_until }) if is_erasure => {
                State::Confirmed { grace_until }
            }
            (State::Verified | State::Confirmed { .. }, RequestStep::Begin) => State::InProgress,
            (State::Verified | State::Confirmed { .. } | State::InProgress, RequestStep::Complete) => State::Done,
            (State::Partial, RequestStep::Complete) => State::Done,
            (State::Verified | State::Confirmed { .. } | State::InProgress, RequestStep::CompletePartially) => {
                State::Partial
            }
            (_, RequestStep::Reject(reason)) if self.is_open() => State::Rejected { reason: checked(&reason)? },
            (State::InProgress, RequestStep::Cancel) if is_erasure => return Err(cannot_follow()),
            // The erasure may have begun.
            (State::Confirmed { grace_until }, RequestStep::Cancel) if now >= *grace_until => {
                return Err(cannot_follow());
            }
            (_, RequestStep::Cancel) if self.is_open() => State::Cancelled,
            (_, RequestStep::Extend(reason)) if self.is_open() && self.extended.is_none() && now < self.due_at => {
                self.extended = Some(checked(&reason)?);
                // Two further months: counted from the receipt, so that a short month does not cost days twice.
                self.due_at = due::months_after(self.received_at, 3);
                self.state.clone()
            }
            _ => return Err(cannot_follow()),
        };
        self.set(next, now);
        Ok(())
    }

    /// Returns whether the request is still to be answered.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Returns whether the deadline has passed.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.is_open() && now > self.due_at
    }

    /// Returns the user, unless they were erased.
    pub fn user(&self) -> Option<&UserId> {
        match &self.subject {
            RequestSubject::User(user) => Some(user),
            RequestSubject::Pseudonym(_) => None,
        }
    }

    /// Returns when the user is erased, if they confirmed that.
    pub fn grace_until(&self) -> Option<Timestamp> {
        match self.state {
            RequestState::Confirmed { grace_until } => Some(grace_until),
            _ => None,
        }
    }

    /// Marks the request as done, for a user who is logged in. `is_partial` says that data is held.
    /// Returns `false` if that was not possible.
    pub fn settle(&mut self, is_partial: bool, now: Timestamp) -> bool {
        if self.state == RequestState::Received && self.step(RequestStep::Verify, now).is_err() {
            return false;
        }
        let step = if is_partial { RequestStep::CompletePartially } else { RequestStep::Complete };
        self.step(step, now).is_ok()
    }

    /// Removes the user: the request keeps that it was made and answered. An erasure is done;
    /// another open request can no longer be answered. For stores.
    pub fn evict_user(&mut self, pseudonym: Pseudonym, now: Timestamp) {
        match self.kind {
            RequestKind::Erasure => _ = self.settle(false, now),
            _ if self.is_open() => self.set(RequestState::Cancelled, now),
            _ => {}
        }
        self.version += 1;
        self.subject = RequestSubject::Pseudonym(pseudonym);
        self.message = None;
        self.challenge = None;
        self.extended = self.extended.as_ref().map(|_| "".into());
        if let RequestState::Rejected { reason } = &mut self.state {
            *reason = "".into();
        }
    }

    /// Returns the restriction of the user after this request changed from state `was`, when it was
    /// `before`: confirming an erasure restricts the user, and cancelling lifts that. For stores.
    pub fn restriction(&self, was: &RequestState, before: Option<Restriction>, now: Timestamp) -> Option<Restriction> {
        let is_confirmed = |state: &RequestState| matches!(state, RequestState::Confirmed { .. });
        let is_ours = |restriction: &Restriction| restriction.reason == RestrictionReason::ErasurePending;
        match (is_confirmed(was), &self.state) {
            (false, RequestState::Confirmed { .. }) => {
                before.or(Some(Restriction::new(now, RestrictionReason::ErasurePending)))
            }
            (true, RequestState::Cancelled | RequestState::Rejected { .. }) => before.filter(|before| !is_ours(before)),
            _ => before,
        }
    }

    /// Makes a token, which replaces earlier ones. [`Conflict`](ErrorKind::Conflict) if there is
    /// nothing to confirm.
    pub(crate) fn ask(&mut self, now: Timestamp) -> Result<ConfirmationToken> {
        let is_waiting = matches!(self.state, RequestState::Received | RequestState::Verified);
        if self.kind != RequestKind::Erasure || !is_waiting {
            return Err(cannot_follow());
        }
        let token = ConfirmationToken::generate()?;
        self.challenge = Some(Challenge::of(&token, now));
        self.version += 1;
        Ok(token)
    }

    /// Checks a token. A right one can be used once; after five wrong ones none is accepted.
    pub(crate) fn present(&mut self, token: &ConfirmationToken, now: Timestamp) -> Presented {
        let Some(challenge) = &mut self.challenge else { return Presented::Unasked };
        let presented = challenge.present(token, now);
        if presented == Presented::Right || challenge.is_spent() {
            self.challenge = None;
        }
        if presented == Presented::Wrong {
            self.version += 1;
        }
        presented
    }

    fn set(&mut self, state: RequestState, now: Timestamp) {
        self.version += 1;
        if !state.is_open() {
            // What was answered in part was answered then.
            self.closed_at = self.closed_at.or(Some(now));
            self.challenge = None;
        }
        self.state = state;
    }
}

/// Redacted: what somebody writes is personal, and a token's hash is nobody's business.
impl fmt::Debug for PrivacyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivacyRequest")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("state", &self.state)
            .field("received_at", &self.received_at)
            .field("due_at", &self.due_at)
            .field("closed_at", &self.closed_at)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

fn checked(text: &str) -> Result<Box<str>> {
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(Error::new(ErrorKind::InvalidInput, format!("a text of a request has 1 to {MAX_TEXT} bytes")));
    }
    Ok(text.into())
}

fn cannot_follow() -> Error {
    Error::new(ErrorKind::Conflict, "the state of the request does not allow this step")
}

#[cfg(test)]
mod tests;
