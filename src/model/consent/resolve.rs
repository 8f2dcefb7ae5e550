//! [`resolve`]: the rule that derives a verdict.

use super::{Category, ConsentState, Decision, Mode, Purpose, Reason, Regime, Signals, Verdict};
use crate::time::Timestamp;

/// Returns whether `purpose` is allowed at `now`, given the subject's state of it. The first rule
/// that applies decides:
///
/// 1. a necessary purpose is allowed;
/// 2. restricted processing, or an objection: not allowed;
/// 3. a denial or a withdrawal: not allowed;
/// 4. `Sec-GPC: 1` if the purpose [sells or shares](Purpose::sells_or_shares) data, or `DNT: 1` if
///    it is of
///    [`Category::Analytics`]: not allowed, unless a grant was given while the browser sent the signal;
/// 5. a grant under the current version of the notice that has not expired: allowed;
/// 6. otherwise the [mode](Mode) decides: opt-in does not allow the purpose, the other modes do.
///
/// A grant that has expired, or was given under another version of the notice, counts as no
/// decision. A grant ends at a fixed point in time, so setting the clock back does not move its
/// end.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{
///     Timestamp,
///     consent::{Category, ConsentState, Decision, DecisionEvent, Purpose, Reason, Regime, Signals, resolve},
/// };
///
/// let day = Duration::from_secs(86_400);
/// let start = Timestamp::from_millis(0);
/// // A rule about plain values: no notice is involved.
/// let analytics = Purpose::new("analytics", Category::Analytics).expiry(180 * day);
/// let verdict = |state: Option<&ConsentState>, now| {
///     resolve(&analytics, state, Signals::default(), Regime::Strictest, now)
/// };
///
/// assert_eq!(verdict(None, start).reason(), Reason::Undecided);
/// let granted = ConsentState::after(&analytics, &DecisionEvent::new(Decision::Granted, 1, start));
/// assert!(verdict(Some(&granted), start).is_allowed());
/// assert_eq!(verdict(Some(&granted), start.after(180 * day)).reason(), Reason::Expired);
/// ```
pub fn resolve(
    purpose: &Purpose,
    consent_state: Option<&ConsentState>,
    signals: Signals,
    regime: Regime,
    now: Timestamp,
) -> Verdict {
    let no = |reason| Verdict { is_allowed: false, reason, needs_prompt: false };
    let mode = purpose.mode_under(regime);
    if mode == Mode::Necessary {
        return Verdict { is_allowed: true, reason: Reason::Necessary, needs_prompt: false };
    }
    if signals.restricted {
        return no(Reason::Restricted);
    }
    match consent_state.map(|consent_state| consent_state.decision) {
        Some(Decision::Objected) => return no(Reason::Objected),
        Some(Decision::Denied) => return no(Reason::Denied),
        Some(Decision::Withdrawn) => return no(Reason::Withdrawn),
        Some(Decision::Granted) | None => {}
    }
    let grant = consent_state.map(|consent_state| {
        if consent_state.notice_version != purpose.notice_version {
            Err(Reason::Stale)
        } else if consent_state.valid_until.is_some_and(|end| now >= end) {
            Err(Reason::Expired)
        } else {
            Ok(consent_state)
        }
    });
    // A grant that was given while the browser sent the signal overrides it.
    let overrides =
        |signal: fn(&ConsentState) -> bool| matches!(grant, Some(Ok(consent_state)) if signal(consent_state));
    if signals.gpc && purpose.sells_or_shares && !overrides(|consent_state| consent_state.gpc_present) {
        return no(Reason::GlobalPrivacyControl);
    }
    if signals.dnt && purpose.category == Category::Analytics && !overrides(|consent_state| consent_state.dnt_present) {
        return no(Reason::DoNotTrack);
    }
    let reason = match grant {
        Some(Ok(_)) => return Verdict { is_allowed: true, reason: Reason::Granted, needs_prompt: false },
        Some(Err(reason)) => reason,
        None => Reason::Undecided,
    };
    Verdict { is_allowed: mode != Mode::OptIn, reason, needs_prompt: matches!(mode, Mode::OptIn | Mode::OptOut) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::consent::DecisionEvent;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const GIVEN: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const MODES: [Mode; 5] = [Mode::Necessary, Mode::ExemptWithObjection, Mode::OptIn, Mode::OptOut, Mode::NoticeOnly];
    const DECISIONS: [Decision; 4] = [Decision::Granted, Decision::Denied, Decision::Withdrawn, Decision::Objected];

    fn purpose(category: Category, mode: Mode, sells: bool) -> Purpose {
        Purpose::new("x", category).mode(mode).notice_version(2).expiry(180 * DAY).sells_or_shares(sells)
    }

    fn consent_state(decision: Decision, version: u32, gpc: bool) -> ConsentState {
        let decided = DecisionEvent::new(decision, version, GIVEN);
        let decided = if gpc { decided.with_gpc().with_dnt() } else { decided };
        ConsentState::after(&purpose(Category::Analytics, Mode::OptIn, false), &decided)
    }

    #[test]
    fn resolve_applies_the_first_matching_rule() {
        let granted = consent_state(Decision::Granted, 2, false);
        let knowing = consent_state(Decision::Granted, 2, true);
        let stale = consent_state(Decision::Granted, 1, false);
        let (quiet, gpc) = (Signals::default(), Signals { gpc: true, ..Signals::default() });
        let (dnt, restricted) = (quiet.with_dnt(true), quiet.with_restriction(true));
        let (early, late) = (GIVEN.after(179 * DAY), GIVEN.after(180 * DAY));
        let ads = |mode| purpose(Category::Marketing, mode, true);
        let count = |mode| purpose(Category::Analytics, mode, false);
        for (purpose, consent_state, signals, now, allowed, reason, ask) in [
            (count(Mode::Necessary), None, restricted, early, true, Reason::Necessary, false),
            (count(Mode::OptIn), None, quiet, early, false, Reason::Undecided, true),
            (count(Mode::OptOut), None, quiet, early, true, Reason::Undecided, true),
            (count(Mode::ExemptWithObjection), None, quiet, early, true, Reason::Undecided, false),
            (count(Mode::NoticeOnly), None, quiet, early, true, Reason::Undecided, false),
            (count(Mode::OptIn), Some(granted), quiet, early, true, Reason::Granted, false),
            (count(Mode::OptIn), Some(granted), quiet, late, false, Reason::Expired, true),
            (count(Mode::OptOut), Some(granted), quiet, late, true, Reason::Expired, true),
            (count(Mode::OptIn), Some(stale), quiet, early, false, Reason::Stale, true),
            (count(Mode::OptIn), Some(granted), restricted, early, false, Reason::Restricted, false),
            (
                count(Mode::OptOut),
                Some(consent_state(Decision::Denied, 1, false)),
                quiet,
                late,
                false,
                Reason::Denied,
                false,
            ),
            (
                count(Mode::OptOut),
                Some(consent_state(Decision::Withdrawn, 2, false)),
                quiet,
                early,
                false,
                Reason::Withdrawn,
                false,
            ),
            (
                count(Mode::ExemptWithObjection),
                Some(consent_state(Decision::Objected, 2, true)),
                quiet,
                early,
                false,
                Reason::Objected,
                false,
            ),
            (ads(Mode::OptOut), None, gpc, early, false, Reason::GlobalPrivacyControl, false),
            (ads(Mode::OptIn), Some(granted), gpc, early, false, Reason::GlobalPrivacyControl, false),
            (ads(Mode::OptIn), Some(knowing), gpc, early, true, Reason::Granted, false),
            (ads(Mode::OptIn), Some(knowing), gpc, late, false, Reason::GlobalPrivacyControl, false),
            (count(Mode::OptIn), Some(granted), gpc, early, true, Reason::Granted, false),
            (count(Mode::ExemptWithObjection), None, dnt, early, false, Reason::DoNotTrack, false),
            (ads(Mode::OptOut), None, dnt, early, true, Reason::Undecided, true),
        ] {
            let verdict = resolve(&purpose, consent_state.as_ref(), signals, Regime::Strictest, now);
            let expected = Verdict { is_allowed: allowed, reason, needs_prompt: ask };
            assert_eq!(verdict, expected, "{purpose:?} {consent_state:?} {signals:?}");
        }
    }

    /// Checks every combination against properties that do not depend on the order of the rules.
    #[test]
    fn resolve_of_every_combination_keeps_its_promises() {
        let consent_states = DECISIONS.into_iter().flat_map(|decision| {
            [(1, false), (1, true), (2, false), (2, true)].map(|(v, gpc)| consent_state(decision, v, gpc))
        });
        let consent_states: Vec<_> = std::iter::once(None).chain(consent_states.map(Some)).collect();
        let bits = |bits: u8| [bits & 1 != 0, bits & 2 != 0, bits & 4 != 0];
        let mut seen = 0;
        for mode in MODES {
            for (category, sells) in
                [(Category::Analytics, false), (Category::Analytics, true), (Category::Marketing, true)]
            {
                let lenient = purpose(category.clone(), Mode::OptIn, sells).mode_in_opt_out_regime(mode);
                for (purpose, regime) in [
                    (purpose(category.clone(), mode, sells), Regime::Strictest),
                    (purpose(category.clone(), mode, sells), Regime::OptOut),
                    (lenient, Regime::OptOut),
                ] {
                    for consent_state in &consent_states {
                        for [gpc, dnt, restricted] in (0..8).map(bits) {
                            for now in [GIVEN, GIVEN.after(180 * DAY)] {
                                let signals = Signals { gpc, dnt, restricted };
                                let verdict = resolve(&purpose, consent_state.as_ref(), signals, regime, now);
                                seen += 1;
                                if mode == Mode::Necessary {
                                    assert!(verdict.is_allowed() && verdict.reason() == Reason::Necessary);
                                    continue;
                                }
                                let said_no = consent_state
                                    .is_some_and(|consent_state| consent_state.decision != Decision::Granted);
                                let counts = consent_state.is_some_and(|consent_state| {
                                    !said_no && consent_state.notice_version == 2 && now == GIVEN
                                });
                                let knowing =
                                    counts && consent_state.is_some_and(|consent_state| consent_state.gpc_present);
                                let signal = (gpc && sells) || (dnt && category == Category::Analytics);
                                let expected = !restricted
                                    && !said_no
                                    && if signal { knowing } else { counts || mode != Mode::OptIn };
                                assert_eq!(verdict.is_allowed(), expected, "{purpose:?} {consent_state:?} {signals:?}");
                                assert!(!(verdict.needs_prompt() && (said_no || signal || restricted || counts)));
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(seen, 5 * 3 * 3 * 17 * 8 * 2);
    }

    proptest! {
        #[test]
        fn resolve_allows_after_a_refusal_only_with_a_new_grant(
            history in prop::collection::vec((0usize..4, 1u32..4, any::<bool>(), 0i64..1_000), 1..20),
            mode in 1usize..5,
            later in 0i64..1_000_000_000_000,
            gpc in any::<bool>(),
        ) {
            let purpose = purpose(Category::Analytics, MODES[mode], true);
            let mut at = GIVEN.as_millis();
            let decisions: Vec<_> = history
                .into_iter()
                .map(|(decision, version, gpc, pause)| {
                    at += pause;
                    let decided = DecisionEvent::new(DECISIONS[decision], version, Timestamp::from_millis(at));
                    if gpc { decided.with_gpc() } else { decided }
                })
                .collect();
            let mut projection = None;
            for decided in &decisions {
                projection = Some(ConsentState::after(&purpose, decided));
            }
            prop_assert_eq!(projection, ConsentState::rebuild(&purpose, &decisions));
            let signals = Signals { gpc, ..Signals::default() };
            let now = Timestamp::from_millis(at.saturating_add(later));
            let verdict = resolve(&purpose, projection.as_ref(), signals, Regime::Strictest, now);
            let last = decisions.last().map(|decided| decided.decision);
            if last != Some(Decision::Granted) {
                prop_assert!(!verdict.is_allowed());
            }
        }
    }
}
