//! The record of processing.

use tower_guestbook::{activity::EventType, consent::LegalBasis, privacy::PersonalDataDescription};

use super::*;

struct Described;

impl PersonalData for Described {
    fn name(&self) -> &str {
        "addresses"
    }

    fn export(&self, _: UserId, _: usize) -> PersonalDataFuture<'_, ExportedPage> {
        Box::pin(async { Ok(ExportedPage::last(Vec::new())) })
    }

    fn erase(&self, _: UserId) -> PersonalDataFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    fn describe(&self) -> PersonalDataDescription {
        let mut description = PersonalDataDescription::new(self.name());
        description.basis = Some(LegalBasis::Contract);
        description.recipients = vec!["the carrier".into()];
        description
    }
}

fn records(guestbook: &Guestbook) -> Value {
    serde_json::to_value(guestbook.processing_records()).unwrap()
}

fn find<'a>(list: &'a Value, name: &str, value: &str) -> Option<&'a Value> {
    list.as_array().unwrap().iter().find(|entry| entry[name] == value)
}

#[tokio::test]
async fn processing_records_list_each_purpose_with_retention_and_recipients() {
    let (builder, _clock) = rules(MemoryStore::new());
    let guestbook = builder.personal_data(Described).personal_data(Rows::new("orders", 0)).build().unwrap();
    let of_three = records(&guestbook);
    assert_eq!(of_three["purposes"].as_array().unwrap().len(), 3);
    assert_eq!(
        *find(&of_three["purposes"], "id", "marketing").unwrap(),
        json!({
            "id": "marketing", "description": "Advertising that fits", "basis": "consent", "data_categories": [], "subject_categories": [],
            "recipients": ["an agency"], "transfers": ["Switzerland"], "retention": [], "decision_seconds": 90 * 86_400,
            "security": "locked away",
        })
    );
    let analytics = find(&of_three["purposes"], "id", "analytics").unwrap();
    assert_eq!(analytics["retention"], json!([{ "class": "activities", "keep_seconds": 90 * 86_400 }]));

    // Another purpose, and the events of a type that fall under it.
    let (builder, _clock) = support::builder(MemoryStore::new());
    let fraud = Purpose::new("fraud", Category::Own("safety".into()));
    let fraud = fraud.mode(Mode::NoticeOnly).basis(LegalBasis::LegitimateInterests).recipients(["the bank"]);
    let analytics = Purpose::new("analytics", Category::Analytics).expiry(180 * DAY);
    let purposes = Purposes::builder().purpose(analytics).purpose(fraud).build().unwrap();
    let id = PurposeId::new("fraud").unwrap();
    let rules = ConsentRules::new(purposes).event_purpose(EventType::LOGIN, Some(id));
    let of_two = records(&builder.consent(rules).build().unwrap());
    let fraud = find(&of_two["purposes"], "id", "fraud").unwrap();
    assert_eq!((&fraud["recipients"], &fraud["basis"]), (&json!(["the bank"]), &json!("legitimate_interests")));
    assert_eq!(fraud["retention"], json!([{ "class": "activities:login", "keep_seconds": 365 * 86_400 }]));
    assert!(find(&of_three["purposes"], "id", "fraud").is_none());

    // A type that has a purpose and no period of its own is kept as long as most.
    let (builder, _clock) = support::builder(MemoryStore::new());
    let rules = ConsentRules::new(super::purposes()).event_purpose(EventType::PURCHASE, Some(PurposeId::MARKETING));
    let of_purchases = records(&builder.consent(rules).build().unwrap());
    let marketing = find(&of_purchases["purposes"], "id", "marketing").unwrap();
    assert_eq!(marketing["retention"], json!([{ "class": "activities", "keep_seconds": 90 * 86_400 }]));
}

#[tokio::test]
async fn processing_records_list_the_guestbook_and_the_sources() {
    let (builder, _clock) = rules(MemoryStore::new());
    let guestbook = builder.personal_data(Described).personal_data(Rows::new("orders", 0)).build().unwrap();
    let all = records(&guestbook);
    let ids: Vec<_> = all["guestbook"].as_array().unwrap().iter().map(|entry| entry["id"].clone()).collect();
    assert_eq!(ids, ["sessions", "activities", "preferences", "consent", "audit", "erasures"]);
    let retention = |id| find(&all["guestbook"], "id", id).unwrap()["retention"].clone();
    assert_eq!(retention("sessions"), json!([{ "class": "sessions", "keep_seconds": 12 * 3_600 }]));
    assert_eq!(retention("audit"), json!([{ "class": "audit", "keep_seconds": 3 * 365 * 86_400 }]));
    let year = 365 * 86_400;
    let of_logins = json!([{ "class": "activities:login", "keep_seconds": year }, { "class": "activities:logout", "keep_seconds": year }]);
    assert_eq!(retention("activities"), of_logins, "the others fall under analytics");
    let [described, named] = &all["sources"].as_array().unwrap()[..] else { panic!("{}", all["sources"]) };
    assert_eq!(
        (&described["name"], &described["basis"], &described["recipients"]),
        (&json!("addresses"), &json!("contract"), &json!(["the carrier"]))
    );
    assert_eq!(
        serde_json::from_value::<std::collections::BTreeMap<String, Value>>(named.clone()).unwrap()["name"],
        "orders"
    );
    assert_eq!((&named["basis"], &named["recipients"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn processing_records_have_the_controller_or_null() {
    let shop = || Controller::new("Shop", "1 High Street", "privacy@shop.example");
    let (builder, _clock) = rules(MemoryStore::new());
    assert_eq!(records(&builder.build().unwrap())["controller"], Value::Null);
    let (builder, _clock) = rules(MemoryStore::new());
    let guestbook = builder.controller(shop().representative("Anna")).build().unwrap();
    assert_eq!(records(&guestbook)["controller"]["representative"], "Anna");
    let receipt = guestbook.consents().unwrap().receipt(&user("ada").into()).await.unwrap();
    assert_eq!(receipt.pii_controllers[0].name, "Shop", "receipts of consent name them too");

    // Whom the rules of consent name is the controller of all, if nobody else is.
    let (builder, _clock) = support::builder(MemoryStore::new());
    let guestbook = builder.consent(ConsentRules::new(purposes()).controller(shop())).build().unwrap();
    assert_eq!(records(&guestbook)["controller"]["name"], "Shop");
}
