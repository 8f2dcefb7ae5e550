//! Any sequence of decisions: after a refusal only a new grant allows a purpose.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use serde_json::json;
use tower_guestbook::{Timestamp, session::Lifetime, store::MemoryStore};

use super::{Browser, DAY, Site, ok, rules, user};
use crate::support::{builder, until};

const PURPOSES: [&str; 3] = ["analytics", "marketing", "measurement"];
const USERS: [&str; 2] = ["ada", "bob"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Grant(usize),
    /// `denied`, `withdrawn` or `objected`, or whatever kind of no fits.
    Refuse(usize, &'static str),
    Withdraw(usize),
    Signal(bool),
    Travel(bool),
    Wait(Duration),
    Login(usize),
    Logout,
}

/// The last thing that somebody said about a purpose.
#[derive(Clone, Copy, Debug)]
struct Said {
    /// 0 is a yes; an objection is 2, any other no 1.
    no: u8,
    gpc: bool,
    at: Timestamp,
    until: Option<Timestamp>,
}

type Decisions = BTreeMap<&'static str, Said>;

/// What must hold, in few words: no store, no cache, no cookie.
struct World {
    site: Site,
    browser: Browser,
    /// Of the visitor, if the browser is one, and of each user.
    visitor: Decisions,
    users: [Decisions; 2],
    logged_in: Option<usize>,
    gpc: bool,
    is_lenient: bool,
}

impl World {
    fn new() -> Self {
        let (builder, clock) = builder(MemoryStore::new());
        let for_good = Lifetime::new(10_000 * DAY, 10_000 * DAY);
        let site = Site::of(builder.session_lifetime(for_good), clock, rules());
        let (visitor, users) = (Decisions::new(), Default::default());
        let browser = site.browser();
        Self { site, browser, visitor, users, logged_in: None, gpc: false, is_lenient: false }
    }

    fn acting(&mut self) -> &mut Decisions {
        match self.logged_in {
            Some(user) => &mut self.users[user],
            None => &mut self.visitor,
        }
    }

    fn say(&mut self, purpose: &'static str, no: u8) {
        let lasts = match purpose {
            "analytics" => Some(180 * DAY),
            "marketing" => Some(90 * DAY),
            _ => None,
        };
        let until = lasts.filter(|_| no == 0).map(|lasts| self.site.clock.now().after(lasts));
        let (gpc, at) = (self.gpc, self.site.clock.now());
        // The same yes within a day renews nothing.
        let is_known = |said: &Said| said.no == 0 && no == 0 && said.gpc == gpc && at.since(said.at) < DAY;
        if !self.acting().get(purpose).is_some_and(is_known) {
            self.acting().insert(purpose, Said { no, gpc, at, until });
        }
    }

    /// After each request of somebody who is logged in with a browser that signals.
    async fn note_signal(&mut self, who: Option<usize>) {
        let Some(who) = who.filter(|_| self.gpc) else { return };
        if self.users[who].get("marketing").is_none_or(|said| said.no == 0 && !said.gpc) {
            let at = self.site.clock.now();
            self.users[who].insert("marketing", Said { no: 2, gpc: true, at, until: None });
            let (consents, ada) = (self.site.consents().clone(), user(USERS[who]));
            let marketing = super::id("marketing");
            until(async || {
                consents
                    .consent_states(&ada)
                    .await
                    .unwrap()
                    .get(&marketing)
                    .is_some_and(|consent_state| consent_state.decision.is_no())
            })
            .await;
        }
    }

    async fn take(&mut self, step: Step) {
        let who = self.logged_in;
        match step {
            Step::Grant(purpose) => {
                let snapshot = ok(self.browser.get("/offer").await).json()["snapshot"].clone();
                self.note_signal(who).await;
                let made = json!([[PURPOSES[purpose], "grant"]]);
                ok(self.browser.decide(json!({ "made": made, "snapshot": snapshot })).await);
                self.say(PURPOSES[purpose], 0);
            }
            Step::Refuse(purpose, kind) => {
                ok(self.browser.decide(json!({ "made": [[PURPOSES[purpose], kind]] })).await);
                self.note_signal(who).await;
                self.say(PURPOSES[purpose], if kind == "objected" { 2 } else { 1 });
            }
            Step::Withdraw(purpose) => {
                ok(self.browser.post(&format!("/withdraw/{}", PURPOSES[purpose])).await);
                self.note_signal(who).await;
                // An objection stays one, and what needs no consent is objected to.
                let said = self.acting().get(PURPOSES[purpose]).map(|said| said.no);
                let is_exempt = PURPOSES[purpose] == "measurement" && said != Some(0);
                self.say(PURPOSES[purpose], if is_exempt || said == Some(2) { 2 } else { 1 });
            }
            Step::Signal(on) => {
                self.gpc = on;
                self.browser.headers.remove("sec-gpc");
                self.browser.headers.extend(on.then(|| ("sec-gpc", "1".to_owned())));
            }
            Step::Travel(is_lenient) => {
                self.is_lenient = is_lenient;
                let place = if is_lenient { "US-CA" } else { "DE" };
                self.browser.headers.insert("x-country", place.to_owned());
            }
            Step::Wait(time) => self.site.clock.advance(time),
            Step::Login(user) => {
                self.browser.login(USERS[user]).await;
                self.note_signal(who).await;
                let account = &mut self.users[user];
                // A yes is not taken along.
                for (purpose, said) in std::mem::take(&mut self.visitor).into_iter().filter(|(_, said)| said.no > 0) {
                    if account.get(purpose).is_none_or(|before| said.no > before.no) {
                        account.insert(purpose, said);
                    }
                }
                self.logged_in = Some(user);
            }
            Step::Logout => {
                ok(self.browser.post("/logout").await);
                self.note_signal(who).await;
                // Without a login that is the end of the visitor.
                (self.logged_in, self.visitor) = (None, Decisions::new());
            }
        }
    }

    fn may(&mut self, purpose: &str) -> bool {
        let (now, gpc, is_lenient) = (self.site.clock.now(), self.gpc, self.is_lenient);
        let said = self.acting().get(purpose).copied();
        if said.is_some_and(|said| said.no > 0) {
            return false;
        }
        let grant = said.filter(|said| said.until.is_none_or(|end| now < end));
        let is_sold = purpose == "marketing";
        if gpc && is_sold {
            return grant.is_some_and(|grant| grant.gpc);
        }
        grant.is_some() || purpose == "measurement" || (is_sold && is_lenient)
    }

    async fn check(&mut self, after: Step) {
        let who = self.logged_in;
        for purpose in PURPOSES {
            let allows = self.browser.allows(purpose).await;
            self.note_signal(who).await;
            let may = self.may(purpose);
            assert_eq!(allows, may, "{purpose} after {after:?}: {:?} of {:?}", self.acting().clone(), who);
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let purpose = 0..PURPOSES.len();
    prop_oneof![
        4 => purpose.clone().prop_map(Step::Grant),
        2 => (purpose.clone(), prop::sample::select(vec!["denied", "withdrawn", "objected"]))
            .prop_map(|(purpose, kind)| Step::Refuse(purpose, kind)),
        2 => purpose.prop_map(Step::Withdraw),
        2 => any::<bool>().prop_map(Step::Signal),
        1 => any::<bool>().prop_map(Step::Travel),
        1 => prop::sample::select(vec![1, 1_000, 86_400_000, 91 * 86_400_000u64])
            .prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
        2 => (0..USERS.len()).prop_map(Step::Login),
        1 => Just(Step::Logout),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_allows_a_purpose_after_a_refusal_only_with_a_new_grant(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.take(step).await;
                world.check(step).await;
            }
            world.site.guestbook.shutdown().await;
            assert_eq!(world.site.consents().rebuild().await.unwrap(), 0);
        });
    }
}
