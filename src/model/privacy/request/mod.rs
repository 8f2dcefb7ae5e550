//! [`PrivacyRequest`]: somebody exercises a right, and there is a month to answer (GDPR, Article 12).

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

/// A request of a user, from its receipt to its answer and as long as it is kept as proof of that.
///
/// ```text
///                  verify                begin                 complete
/// Received ------------------> Verified --------> InProgress ----------> Done | Partial
///    |  confirm (erasure)         |                   |
///    +--------> Confirmed <-------+                   |          Partial --> Done: what was held is gone
///                  | complete: Done | Partial         |
///                  +----------------------------------+
/// reject: from any of those that are open. cancel: from any, but an erasure goes on when it is in progress or its grace is over.
/// ```
///
/// It is due one calendar month after it was received, in UTC; the last day of a shorter month if there is no such day.
///
/// ```
/// use tower_guestbook::{Timestamp, UserId, privacy::{PrivacyRequest, RequestKind, RequestState, RequestStep}};
///
/// // 2027-01-31T12:00:00Z
/// let received = Timestamp::from_millis(1_801_396_800_000);
/// let mut request = PrivacyRequest::receive(UserId::try_from("ada")?, RequestKind::Access, received)?;
/// assert_eq!(request.due_at, Timestamp::from_millis(1_803_816_000_000), "2027-02-28T12:00:00Z");
/// request.step(RequestStep::Verify, received)?;
/// request.step(RequestStep::Complete, received)?;
/// assert_eq!(request.state, RequestState::Done);
/// assert!(request.step(RequestStep::Cancel, received).is_err(), "what is done is done");
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrivacyRequest {
    /// Its name.
    pub id: RequestId,
    /// Which right.
    pub kind: RequestKind,
    /// Whose.
    pub subject: RequestSubject,
    /// How far it is.
    pub state: RequestState,
    /// When it was received.
    pub received_at: Timestamp,
    /// When it is to be answered at the latest.
    pub due_at: Timestamp,
    /// Why it takes longer, if the user was told so.
    pub extended: Option<Box<str>>,
    /// When it was answered, or ended otherwise.
    pub closed_at: Option<Timestamp>,
    /// What the user has to say about it: free text, which goes with the user's name.
    pub message: Option<Box<str>>,
    /// How often it has changed.
    pub version: u64,
    challenge: Option<Challenge>,
}

/// What became of a token that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// It is the one.
    Right,
    /// It is not, and that is one try less.
    Wrong,
    /// There is nothing to present a token for.
    Unasked,
}

/// Longer texts are refused.
const MAX_TEXT: usize = 1_000;

impl PrivacyRequest {
    /// A request that comes in now.
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

    /// With what the user has to say about it.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if it is empty or longer than 1,000 bytes.
    pub fn message(mut self, message: &str) -> Result<Self> {
        self.message = Some(checked(message)?);
        Ok(self)
    }

    /// Takes a step. One that is refused changes nothing.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if this step cannot follow, see the [picture](Self); [`InvalidInput`](ErrorKind::InvalidInput) if a
    /// text is empty or too long.
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
            // Somebody may be erasing already.
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

    /// Whether it is still to be answered.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Whether it should have been answered before.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.is_open() && now > self.due_at
    }

    /// The user, if they are not erased.
    pub fn user(&self) -> Option<&UserId> {
        match &self.subject {
            RequestSubject::User(user) => Some(user),
            RequestSubject::Pseudonym(_) => None,
        }
    }

    /// When the user is to be erased, if they have confirmed that.
    pub fn grace_until(&self) -> Option<Timestamp> {
        match self.state {
            RequestState::Confirmed { grace_until } => Some(grace_until),
            _ => None,
        }
    }

    /// What was asked for is done, for a user who asked for it where they are known. For what is held, `is_partial`.
    /// `false` if there was nothing to settle.
    pub fn settle(&mut self, is_partial: bool, now: Timestamp) -> bool {
        if self.state == RequestState::Received && self.step(RequestStep::Verify, now).is_err() {
            return false;
        }
        let step = if is_partial { RequestStep::CompletePartially } else { RequestStep::Complete };
        self.step(step, now).is_ok()
    }

    /// Nothing of the user is left: the request keeps that it was made and answered. An erasure is done, and what else was open
    /// can no longer be answered. For stores.
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

    /// What restricts the user after this request has become what it is, if `before` did when it `was` something else: who has
    /// confirmed to be erased is restricted, and whoever takes that back no longer is. For stores.
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

    /// Asks for a token, and for no other any more. [`Conflict`](ErrorKind::Conflict) if there is nothing to confirm.
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

    /// Tries a token. A right one can be used once; after five wrong ones none is right any more.
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
    Error::new(ErrorKind::Conflict, "the request is not in a state in which this can be done")
}

#[cfg(test)]
mod tests;
