use std::time::Duration;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const GRACE: Timestamp = Timestamp::from_millis(NOW.as_millis() + 2 * 86_400_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn request(kind: RequestKind) -> PrivacyRequest {
    PrivacyRequest::receive(UserId::try_from("ada").unwrap(), kind, NOW).unwrap()
}

fn states() -> [RequestState; 8] {
    [
        RequestState::Received,
        RequestState::Verified,
        RequestState::Confirmed { grace_until: GRACE },
        RequestState::InProgress,
        RequestState::Done,
        RequestState::Partial,
        RequestState::Rejected { reason: "no".into() },
        RequestState::Cancelled,
    ]
}

fn steps() -> [RequestStep; 8] {
    [
        RequestStep::Verify,
        RequestStep::Confirm { grace_until: GRACE },
        RequestStep::Begin,
        RequestStep::Complete,
        RequestStep::CompletePartially,
        RequestStep::Reject("no".into()),
        RequestStep::Cancel,
        RequestStep::Extend("much".into()),
    ]
}

/// Where each step leads from each state, as a table: a row for each state, a column for each step, `.` for refused.
///
/// Verify, Confirm, Begin, Complete, CompletePartially, Reject, Cancel, Extend.
fn table(kind: RequestKind) -> [&'static str; 8] {
    match kind {
        RequestKind::Erasure => [
            "VC...RXr", // Received
            ".CIDPRXv", // Verified
            "..IDPRXc", // Confirmed
            "...DPR.i", // InProgress
            "........", // Done
            "...D....", // Partial
            "........", // Rejected
            "........", // Cancelled
        ],
        _ => ["V....RXr", "..IDPRXv", "..IDPRXc", "...DPRXi", "........", "...D....", "........", "........"],
    }
}

#[test]
fn each_step_leads_from_each_state_where_the_table_says_or_is_refused_and_changes_nothing() {
    for kind in RequestKind::ALL {
        for (state, row) in states().into_iter().zip(table(kind)) {
            for (step, cell) in steps().into_iter().zip(row.chars()) {
                let mut before = request(kind);
                before.state = state.clone();
                before.closed_at = (!state.is_open()).then_some(NOW);
                let mut after = before.clone();
                let result = after.step(step.clone(), NOW.after(DAY));
                let expected = match cell {
                    'r' => RequestState::Received,
                    'V' | 'v' => RequestState::Verified,
                    'C' | 'c' => RequestState::Confirmed { grace_until: GRACE },
                    'I' | 'i' => RequestState::InProgress,
                    'D' => RequestState::Done,
                    'P' => RequestState::Partial,
                    'R' => RequestState::Rejected { reason: "no".into() },
                    'X' => RequestState::Cancelled,
                    _ => {
                        assert_eq!(result.unwrap_err().kind(), ErrorKind::Conflict, "{kind:?} {state:?} {step:?}");
                        assert_eq!(after, before);
                        continue;
                    }
                };
                result.unwrap();
                assert_eq!(
                    (&after.state, after.version),
                    (&expected, before.version + 1),
                    "{kind:?} {state:?} {step:?}"
                );
                let closed_at = before.closed_at.or((!expected.is_open()).then_some(NOW.after(DAY)));
                assert_eq!(after.closed_at, closed_at);
            }
        }
    }
}

#[test]
fn a_request_is_extended_once_before_it_is_due_by_two_months() {
    let mut request = request(RequestKind::Access);
    assert_eq!(request.due_at, due::months_after(NOW, 1));
    let mut late = request.clone();
    let refused = late.step(RequestStep::Extend("much".into()), request.due_at).unwrap_err();
    assert_eq!((refused.kind(), &late), (ErrorKind::Conflict, &request), "it was due already");
    let last = Timestamp::from_millis(request.due_at.as_millis() - 1);
    for empty_or_long in ["", &"x".repeat(1_001)] {
        let refused = request.step(RequestStep::Extend(empty_or_long.into()), last).unwrap_err();
        assert_eq!((refused.kind(), &request), (ErrorKind::InvalidInput, &late), "the user is to be told why");
    }
    request.step(RequestStep::Extend("much".into()), last).unwrap();
    assert_eq!(request.due_at, due::months_after(NOW, 3));
    assert!(request.step(RequestStep::Extend("more".into()), last).is_err());
}

#[test]
fn an_erasure_is_cancelled_until_its_grace_is_over() {
    let mut request = request(RequestKind::Erasure);
    request.step(RequestStep::Confirm { grace_until: GRACE }, NOW).unwrap();
    assert_eq!(request.clone().step(RequestStep::Cancel, GRACE).unwrap_err().kind(), ErrorKind::Conflict);
    request.step(RequestStep::Cancel, Timestamp::from_millis(GRACE.as_millis() - 1)).unwrap();
}

#[test]
fn a_request_is_overdue_after_its_last_moment_and_not_when_it_is_closed() {
    let mut request = request(RequestKind::Objection);
    let late = request.due_at.after(Duration::from_millis(1));
    assert!(!request.is_overdue(request.due_at) && request.is_overdue(late));
    request.step(RequestStep::Reject("unfounded".into()), late).unwrap();
    assert!(!request.is_overdue(late));
}

#[test]
fn a_token_confirms_once_in_a_day_and_in_five_tries() {
    let mut request = request(RequestKind::Erasure);
    let wrong = ConfirmationToken::generate().unwrap();
    assert_eq!(request.present(&wrong, NOW), Presented::Unasked);
    let first = request.ask(NOW).unwrap();
    let token = request.ask(NOW).unwrap();
    assert_eq!(request.present(&first, NOW), Presented::Wrong, "only the last counts");
    assert_eq!(request.present(&token, NOW.after(DAY)), Presented::Wrong, "too late");
    let mut again = request.clone();
    assert_eq!(request.present(&token, NOW), Presented::Right);
    assert_eq!(request.present(&token, NOW), Presented::Unasked, "it is used");
    for _ in 2..5 {
        assert_eq!(again.present(&wrong, NOW), Presented::Wrong);
    }
    assert_eq!(again.present(&token, NOW), Presented::Unasked, "there were five");
    assert_eq!(
        ConfirmationToken::parse(token.expose_secret().as_bytes()).map(|token| token.expose_secret()),
        Some(token.expose_secret())
    );
    assert_eq!(format!("{token:?}"), "ConfirmationToken(redacted)");
}

#[test]
fn only_an_erasure_that_waits_is_confirmed() {
    assert!(request(RequestKind::Access).ask(NOW).is_err());
    for state in states() {
        let is_waiting = matches!(state, RequestState::Received | RequestState::Verified);
        let mut request = request(RequestKind::Erasure);
        request.state = state;
        assert_eq!(request.ask(NOW).is_ok(), is_waiting);
    }
}

#[test]
fn who_is_erased_leaves_that_they_asked_and_were_answered() {
    let pseudonym = Pseudonym::of(&UserId::try_from("ada").unwrap(), &[7; 32]);
    for kind in RequestKind::ALL {
        for state in states() {
            let mut request = request(kind).message("I am Ada").unwrap();
            let was_open = state.is_open();
            let was = state.clone();
            request.extended = Some("Ada writes much".into());
            request.state = state;
            request.evict_user(pseudonym, GRACE);
            let expected = match (kind, was) {
                (_, RequestState::Rejected { .. }) => RequestState::Rejected { reason: "".into() },
                (RequestKind::Erasure, RequestState::Cancelled) => RequestState::Cancelled,
                (RequestKind::Erasure, _) => RequestState::Done,
                (_, _) if was_open => RequestState::Cancelled,
                (_, state) => state,
            };
            assert_eq!((&request.state, &request.message, request.user()), (&expected, &None, None));
            assert_eq!((request.is_open(), request.extended.as_deref()), (false, Some("")));
            assert!(!request.to_json().contains("Ada") && !serde_json::to_string(&request).unwrap().contains("Ada"));
        }
    }
}

#[test]
fn confirming_restricts_and_taking_it_back_lifts_that_and_nothing_else() {
    let ours = Some(Restriction::new(NOW, RestrictionReason::ErasurePending));
    let other = Some(Restriction::new(NOW, RestrictionReason::Accuracy));
    let mut request = request(RequestKind::Erasure);
    let received = request.state.clone();
    request.step(RequestStep::Confirm { grace_until: GRACE }, NOW).unwrap();
    let confirmed = request.state.clone();
    assert_eq!(request.restriction(&received, None, NOW), ours);
    assert_eq!(request.restriction(&received, other, NOW), other);
    for (step, before, after) in [
        (RequestStep::Cancel, ours, None),
        (RequestStep::Reject("no".into()), ours, None),
        (RequestStep::Cancel, other, other),
        (RequestStep::Begin, ours, ours),
        (RequestStep::Extend("much".into()), ours, ours),
    ] {
        let mut next = request.clone();
        next.step(step, NOW).unwrap();
        assert_eq!(next.restriction(&confirmed, before, NOW), after);
    }
}

#[test]
fn what_is_stored_is_read_back() {
    for state in states() {
        let mut request = request(RequestKind::Erasure).message("please").unwrap();
        let _token = request.ask(NOW).unwrap();
        request.extended = Some("much".into());
        request.state = state;
        let PrivacyRequest { id, kind, subject, received_at, due_at, closed_at, version, .. } = request.clone();
        let stored = StoredRequest { id, kind, subject, received_at, due_at, closed_at, version };
        assert_eq!(PrivacyRequest::stored(stored.clone(), request.to_json().as_bytes()).unwrap(), request);
        assert_eq!(PrivacyRequest::stored(stored, b"{}").unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

proptest! {
    /// Whatever happens in whatever order: what is closed stays closed, versions go up, the deadline moves once, and only
    /// somebody who is known is answered.
    #[test]
    fn no_order_of_steps_breaks_a_promise(
        kind in prop::sample::select(RequestKind::ALL.to_vec()),
        taken in prop::collection::vec((0usize..8, 0u64..120), 0..20),
    ) {
        let mut request = request(kind);
        let (mut now, mut extensions, mut was_known) = (NOW, 0, false);
        for (step, days) in taken {
            now = now.after(DAY * u32::try_from(days).unwrap());
            let before = request.clone();
            if request.step(steps()[step].clone(), now).is_err() {
                prop_assert_eq!(&request, &before);
                continue;
            }
            prop_assert_eq!(request.version, before.version + 1);
            was_known |= matches!(request.state, RequestState::Verified | RequestState::Confirmed { .. });
            prop_assert!(before.is_open() || before.state == RequestState::Partial && request.state == RequestState::Done);
            prop_assert_eq!(request.closed_at.is_none(), request.is_open());
            prop_assert!(was_known || !matches!(request.state, RequestState::Done | RequestState::Partial | RequestState::InProgress));
            if request.due_at != before.due_at {
                extensions += 1;
                prop_assert!(now < before.due_at);
            }
        }
        prop_assert!(extensions <= 1);
    }
}
