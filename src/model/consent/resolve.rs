//! [`resolve`]: whether a purpose is allowed now.

use serde::Serialize;

use super::{Category, ConsentState, Decision, Mode, Purpose, Regime};
use crate::time::Timestamp;

/// What a request says beside what was decided before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signals {
    /// Global Privacy Control: a header `Sec-GPC` with the value `1`, exactly.
    pub gpc: bool,
    /// `DNT: 1`, where the application wants to follow it; it is deprecated and binds nobody.
    pub dnt: bool,
    /// Processing is restricted (GDPR, Article 18), or the person is erased.
    pub restricted: bool,
}

impl Signals {
    /// What the values of all `Sec-GPC` headers of a request say: any exact `1` counts, everything else is as if absent.
    ///
    /// ```
    /// use tower_guestbook::consent::Signals;
    ///
    /// let gpc = |values: &[&[u8]]| Signals::default().with_gpc(values.iter().copied()).gpc;
    /// assert!(gpc(&[b"1"]) && gpc(&[b"0", b"1"]));
    /// assert!(!gpc(&[]) && !gpc(&[b"0"]) && !gpc(&[b"true"]) && !gpc(&[b"1, 1"]) && !gpc(&[b"01"]));
    /// ```
    #[must_use]
    pub fn with_gpc<'a>(mut self, values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.gpc = values.into_iter().any(|value| value == b"1");
        self
    }

    /// The same signals with `DNT`.
    #[must_use]
    pub fn with_dnt(mut self, dnt: bool) -> Self {
        self.dnt = dnt;
        self
    }

    /// The same signals with a restriction.
    #[must_use]
    pub fn with_restriction(mut self, restricted: bool) -> Self {
        self.restricted = restricted;
        self
    }
}

/// Whether a purpose is allowed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    #[serde(rename = "allowed")]
    is_allowed: bool,
    #[serde(rename = "why")]
    reason: Reason,
    #[serde(rename = "ask")]
    needs_prompt: bool,
}

/// Why a purpose is allowed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The service cannot be given without it.
    Necessary,
    /// Processing is restricted.
    Restricted,
    /// Somebody objected.
    Objected,
    /// Somebody declined.
    Denied,
    /// Somebody took their consent back.
    Withdrawn,
    /// `Sec-GPC: 1`.
    GlobalPrivacyControl,
    /// `DNT: 1`.
    DoNotTrack,
    /// Somebody agreed.
    Granted,
    /// Nobody has decided; the mode decides.
    Undecided,
    /// A grant has expired; the mode decides.
    Expired,
    /// A grant was given under another version of the notice; the mode decides.
    Stale,
    /// The store could not be asked what was decided.
    Unavailable,
}

impl Verdict {
    /// What holds as long as nobody can say what was decided: only what is necessary is allowed.
    pub(crate) fn unavailable(purpose: &Purpose, regime: Regime) -> Self {
        match purpose.mode_under(regime) {
            Mode::Necessary => Self { is_allowed: true, reason: Reason::Necessary, needs_prompt: false },
            _ => Self { is_allowed: false, reason: Reason::Unavailable, needs_prompt: false },
        }
    }

    /// Whether the purpose is allowed.
    pub fn is_allowed(self) -> bool {
        self.is_allowed
    }

    /// Why.
    pub fn reason(self) -> Reason {
        self.reason
    }

    /// Whether a question would change something: nobody has decided, or a grant no longer counts.
    pub fn needs_prompt(self) -> bool {
        self.needs_prompt
    }
}

/// Whether `purpose` is allowed at `now` for somebody whose decisions left it at `consent_state`. The first rule that applies:
///
/// 1. what is necessary is allowed;
/// 2. restricted processing, or an objection: not allowed;
/// 3. declined or withdrawn: not allowed;
/// 4. `Sec-GPC: 1` and the purpose [sells or shares](Purpose::sells_or_shares), or `DNT: 1` and it is analytics: not allowed,
///    unless somebody agreed while the browser said so;
/// 5. granted, under the current version of the notice and not expired: allowed;
/// 6. otherwise nobody has decided, and the [mode](Mode) does: opt-in does not allow, the others do.
///
/// A grant that is too old or under another notice counts as no decision. A clock that is set back does not make a grant
/// last longer than it would have.
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
    // Who agreed while the browser said so knew it.
    let knew = |signal: fn(&ConsentState) -> bool| matches!(grant, Some(Ok(consent_state)) if signal(consent_state));
    if signals.gpc && purpose.sells_or_shares && !knew(|consent_state| consent_state.gpc_present) {
        return no(Reason::GlobalPrivacyControl);
    }
    if signals.dnt && purpose.category == Category::Analytics && !knew(|consent_state| consent_state.dnt_present) {
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
    fn the_rules_hold_in_their_order() {
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

    /// Every combination there is, against what must hold whatever the rules' order.
    #[test]
    fn no_combination_breaks_a_promise() {
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
        fn after_a_no_nothing_but_a_new_yes_allows(
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
