//! Events as a shop sees them: few people come often and many seldom, by day more than by night, on weekdays more than on Sundays;
//! who comes looks at some pages, and a few of them buy.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
};

use serde_json::{Value, json};
use tower_guestbook::{
    SessionId, Timestamp, UserId, VisitorId,
    activity::{Event, EventData, EventLimits, EventType, Method, Outcome, RequestTrace, ResponseTrace},
    client::{Agent, DeviceClass},
};
use uuid::Uuid;

pub const DAY: i64 = 24 * HOUR;
const HOUR: i64 = 60 * MINUTE;
const MINUTE: i64 = 60_000;

/// A Monday, 2026-08-03T00:00:00Z.
pub const BEGIN: i64 = 1_785_715_200_000;

/// The steps to a purchase, in order.
pub const STEPS: [&str; 5] = ["product_viewed", "cart_added", "checkout_started", "payment_entered", "purchase"];

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub events: u64,
    pub users: u64,
    pub days: u64,
    pub seed: u64,
}

/// The events in the order of their times, the same ones for the same size.
pub struct Rows {
    size: Size,
    random: Random,
    words: Words,
    /// What is still to come, the soonest first.
    queue: BinaryHeap<(Reverse<i64>, Reverse<usize>)>,
    visits: Vec<RequestContext>,
    free: Vec<usize>,
    /// The last session of a user.
    sessions: HashMap<u64, u64>,
    visitors: u64,
    next_session: u64,
    minute: i64,
    /// What one minute has of all that happens, in the busiest hour.
    rate: f64,
    left: u64,
}

/// Names that are made once.
struct Words {
    types: HashMap<&'static str, EventType>,
    routes: Vec<Arc<str>>,
    hosts: Vec<Box<str>>,
    agents: Vec<Agent>,
}

/// Somebody who is here.
#[derive(Clone)]
struct RequestContext {
    user: Option<u64>,
    visitor: Option<u64>,
    session: u64,
    agent: usize,
    network: u32,
    /// Number of events still to come.
    left: u64,
    is_new: bool,
    route: usize,
    /// How far to a purchase.
    step: usize,
}

impl Rows {
    pub fn new(size: Size) -> Self {
        let visits = size.events as f64 / 8.7;
        let all: f64 = (0..size.days * 24).map(|hour| weight(hour as i64)).sum();
        Self {
            size,
            random: Random(size.seed),
            words: Words::new(),
            queue: BinaryHeap::new(),
            visits: Vec::new(),
            free: Vec::new(),
            sessions: HashMap::new(),
            visitors: 0,
            next_session: 0,
            minute: 0,
            rate: visits / (all * 60.0),
            left: size.events,
        }
    }

    fn begin_visits(&mut self) {
        let hour = self.minute / 60;
        let expected = self.rate * weight(hour);
        let count = expected as u64 + u64::from(self.random.chance(expected.fract()));
        for _ in 0..count {
            let time = self.minute * MINUTE + self.random.below(MINUTE as u64) as i64;
            let visit = self.visit();
            self.put(visit, time);
        }
        self.minute += 1;
    }

    fn visit(&mut self) -> RequestContext {
        let random = &mut self.random;
        let (mut user, mut visitor) = (None, None);
        if random.chance(0.65) {
            // The n-th has the square root of n times less than the first.
            user = Some((self.size.users as f64 * random.unit().powi(2)) as u64);
        } else if self.visitors > 0 && random.chance(0.4) {
            visitor = Some(self.visitors - random.below(self.visitors.min(20_000)));
        } else {
            self.visitors += 1;
            visitor = Some(self.visitors);
        }
        let known = user.and_then(|user| self.sessions.get(&user).copied());
        let session = known.filter(|_| random.chance(0.7)).unwrap_or_else(|| {
            self.next_session += 1;
            self.next_session
        });
        if let Some(user) = user {
            self.sessions.insert(user, session);
        }
        // Somebody has few agents and one network.
        let who = user.or(visitor).unwrap_or_default();
        RequestContext {
            user,
            visitor,
            session,
            agent: (who as usize * 7 + usize::from(random.chance(0.2))) % self.words.agents.len(),
            network: (who % 60_000) as u32,
            left: if random.chance(0.3) { 1 } else { 2 + random.below(21) },
            is_new: true,
            route: 0,
            step: 0,
        }
    }

    fn put(&mut self, visit: RequestContext, time: i64) {
        let index = self.free.pop().unwrap_or(self.visits.len());
        if index == self.visits.len() {
            self.visits.push(visit)
        } else {
            self.visits[index] = visit
        }
        self.queue.push((Reverse(time), Reverse(index)));
    }

    /// What somebody does next.
    fn event(&mut self, index: usize, time: i64) -> Event {
        let (random, words, visit) = (&mut self.random, &self.words, &mut self.visits[index]);
        let mut data = None;
        let kind = match random.below(100) {
            _ if visit.is_new => "page_view",
            0..=1 if visit.user.is_none() && visit.visitor.is_some() => {
                visit.user = Some(random.below(self.size.users));
                "login"
            }
            0..=47 => "page_view",
            48..=62 => "api_call",
            63..=68 => {
                data = Some(json!({ "words": 1 + random.below(5), "results": random.below(900) }));
                "search"
            }
            69..=70 => "share",
            71 => "error",
            72..=73 => "logout",
            74..=75 => "export",
            _ => {
                // On, or once more from the beginning.
                let step = visit.step;
                visit.step = if random.chance(0.55) { (step + 1) % STEPS.len() } else { 0 };
                let product = random.below(5_000);
                data = Some(match step {
                    0 | 1 => json!({ "product": product, "price": 100 + product * 7 % 9_000 }),
                    4 => {
                        let plan = if product % 3 == 0 { "gold" } else { "plain" };
                        json!({ "amount": 100 + random.below(30_000), "plan": plan })
                    }
                    _ => json!({ "items": 1 + random.below(6) }),
                });
                STEPS[step]
            }
        };
        if kind == "page_view" {
            visit.route = random.route(visit.route, visit.is_new);
            if random.chance(0.08) {
                data = Some(json!({ "page": format!("/help/{}", random.below(25)), "depth": random.below(100) }));
            }
        }
        let mut event = Event::new(words.types[kind].clone(), Timestamp::from_millis(BEGIN + time));
        event.user = visit.user.map(|user| UserId::from(user as i64));
        event.visitor = visit.visitor.map(|visitor| VisitorId::from(Uuid::from_u128(u128::from(visitor) << 64 | 1)));
        event.session = Some(SessionId::from(Uuid::from_u128(u128::from(visit.session) << 64 | 2)));
        let fits = |data: Value| EventData::new(&data, &EventLimits::default()).expect("it is small");
        event.data = data.map(fits);
        let mut request = RequestTrace::default();
        request.route = words.routes[if kind == "api_call" { 30 + random.skewed(10) } else { visit.route }].clone();
        request.method = if kind == "page_view" { Method::Get } else { Method::Post };
        request.agent = words.agents[visit.agent];
        request.network = Some(std::net::IpAddr::from([10, (visit.network >> 8) as u8, visit.network as u8, 7]).into());
        if visit.is_new && random.chance(0.4) {
            request.referrer = Some(words.hosts[random.skewed(words.hosts.len())].clone());
        }
        event.request = Some(request);
        let status = if kind == "error" { 500 } else { 200 };
        let (latency, bytes) = (200 + random.below(20_000), 500 + random.below(60_000));
        event.response = Some(ResponseTrace::new(status, latency, bytes, Outcome::Completed));
        (visit.is_new, visit.left) = (false, visit.left - 1);
        event
    }
}

impl Iterator for Rows {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.queue.peek().is_none_or(|(Reverse(time), _)| *time >= self.minute * MINUTE) {
            // Chance decides how long it takes: some hours more or less than the days asked for.
            if self.left == 0 {
                return None;
            }
            self.begin_visits();
        }
        self.left = self.left.checked_sub(1)?;
        let (Reverse(time), Reverse(index)) = self.queue.pop()?;
        let event = self.event(index, time);
        if self.visits[index].left == 0 {
            self.free.push(index);
        } else {
            let gap = match self.random.below(100) {
                0..=2 => 20 * MINUTE + self.random.below(20 * MINUTE as u64) as i64,
                // What a page sends when it is loaded comes in the same moment.
                3..=9 => 0,
                _ => 500 + (-self.random.unit().max(1e-9).ln() * 35_000.0) as i64,
            };
            self.queue.push((Reverse(time + gap), Reverse(index)));
        }
        Some(event)
    }
}

impl Words {
    fn new() -> Self {
        let types = ["page_view", "api_call", "search", "share", "error", "login", "logout", "export"];
        let named = |name: &'static str| (name, EventType::new(name).expect("it is a name"));
        let parts = ["", "shop", "blog", "account"];
        let page = |number: usize| match number {
            0 => Arc::from("/"),
            30.. => format!("/api/v1/{{resource}}/{number}").into(),
            _ => format!("/{}/{{id}}/{number}", parts[1 + number % 3]).into(),
        };
        let agent = |number: u16| {
            let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
            let mut agent = Agent::from_user_agent(agent);
            agent.browser_major = Some(110 + number);
            agent.device = [DeviceClass::Desktop, DeviceClass::Mobile, DeviceClass::Mobile, DeviceClass::Tablet]
                [usize::from(number % 4)];
            agent
        };
        Self {
            types: types.into_iter().chain(STEPS).map(named).collect(),
            routes: (0..40).map(page).collect(),
            hosts: (0..60).map(|host| format!("host{host}.example").into()).collect(),
            agents: (0..30).map(agent).collect(),
        }
    }
}

/// How much happens in this hour since the beginning.
fn weight(hour: i64) -> f64 {
    const BY_HOUR: [f64; 24] = [
        0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.4, 0.7, 1.0, 1.2, 1.3, 1.3, 1.4, 1.3, 1.2, 1.2, 1.2, 1.3, 1.4, 1.6, 1.7, 1.4,
        0.9, 0.5,
    ];
    const BY_DAY: [f64; 7] = [1.1, 1.1, 1.0, 1.0, 1.0, 0.8, 0.7];
    BY_HOUR[(hour % 24) as usize] * BY_DAY[(hour / 24 % 7) as usize]
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From 0 to less than 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn chance(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// Small ones more often.
    fn skewed(&mut self, end: usize) -> usize {
        (end as f64 * self.unit().powi(2)) as usize
    }

    /// The page after this one: one of a few that it leads to, or any.
    fn route(&mut self, from: usize, is_new: bool) -> usize {
        match is_new {
            true if self.chance(0.6) => 0,
            false if self.chance(0.6) => (from * 5 + 1 + self.skewed(4)) % 30,
            _ => self.skewed(30),
        }
    }
}
