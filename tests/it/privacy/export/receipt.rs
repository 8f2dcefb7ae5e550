//! Receipts of erasures, and their verification.

use tower_guestbook::privacy::ErasureReceipt;

use super::*;

async fn receipt<S: Store>(store: S) -> (Guestbook, ErasureReceipt) {
    let (builder, _clock) = rules(store);
    let guestbook = builder.personal_data(Rows::new("orders", 3)).build().unwrap();
    set(&guestbook, "a needle", json!({ "theme": "dark" })).await;
    decide(&guestbook, "a needle", Choices::new(DecisionMethod::Custom).grant(PurposeId::ANALYTICS)).await;
    let receipt = guestbook.rights().erase(&user("a needle")).await.unwrap();
    (guestbook, receipt)
}

async fn holds(guestbook: &Guestbook, receipt: &Value) -> bool {
    let receipt: ErasureReceipt = serde_json::from_value(receipt.clone()).unwrap();
    guestbook.rights().verify_receipt(&receipt).await.unwrap()
}

/// Other values of the same kind.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(yes) => vec![json!(!yes)],
        Value::Number(number) => vec![json!(number.as_i64().unwrap() + 1)],
        Value::String(text) => {
            let last = if text.ends_with('0') { "1" } else { "0" };
            vec![json!(format!("{}{last}", &text[..text.len() - 1]))]
        }
        Value::Array(_) => {
            vec![json!([]), json!([["orders", 4]]), json!([["others", 3]]), json!([["orders", 3], ["more", 0]])]
        }
        other => panic!("a receipt has no {other}"),
    }
}

#[tokio::test]
async fn receipt_from_json_is_valid_until_a_member_changes() {
    let (guestbook, receipt) = receipt(MemoryStore::new()).await;
    let json = serde_json::to_value(&receipt).unwrap();
    assert_eq!(serde_json::from_value::<ErasureReceipt>(json.clone()).unwrap(), receipt);
    assert!(holds(&guestbook, &json).await);
    assert_eq!(
        (&json["preferences_deleted"], &json["consent_deleted"], &json["sources"]),
        (&json!(1), &json!(1), &json!([["orders", 3]]))
    );
    let members = json.as_object().unwrap();
    assert!(members.len() >= 12, "{members:?}");
    let mut changed = 0;
    for (name, value) in members {
        for other in others(value) {
            let mut forged = json.clone();
            forged[name] = other;
            assert!(!holds(&guestbook, &forged).await, "{name}: {forged}");
            changed += 1;
        }
    }
    assert!(changed >= members.len());
    let mut unfinished = json.clone();
    unfinished["deleted_at"] = Value::Null;
    assert!(!holds(&guestbook, &unfinished).await);

    let mut retaining = json.clone();
    retaining["retained"] = json!([{ "class": "activities", "reason": "a trial" }]);
    assert!(!holds(&guestbook, &retaining).await);

    // What the endpoint adds is not part of the receipt.
    let mut told = json.clone();
    told["user_id"] = json!("somebody");
    assert!(holds(&guestbook, &told).await);
}

#[tokio::test]
async fn receipt_names_nobody_and_is_valid_for_its_store_only() {
    let (guestbook, receipt) = receipt(MemoryStore::new()).await;
    let json = serde_json::to_string(&receipt).unwrap();
    assert!(!json.contains("needle") && !format!("{receipt:?}").contains("needle"), "{json}");
    assert!(guestbook.rights().verify_receipt(&receipt).await.unwrap());
    let (another, _clock) = rules(MemoryStore::new());
    assert!(!another.build().unwrap().rights().verify_receipt(&receipt).await.unwrap());
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn receipt_is_valid_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open = || tower_guestbook::store::SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
    let (guestbook, receipt) = receipt(open()).await;
    guestbook.shutdown().await;
    drop(guestbook);
    let (builder, _clock) = rules(open());
    let guestbook = builder.build().unwrap();
    assert!(guestbook.rights().verify_receipt(&receipt).await.unwrap());
    let again = guestbook.rights().erase(&user("a needle")).await.unwrap();
    assert_eq!(again.erasure, receipt.erasure, "it is the same erasure");
    assert!(guestbook.rights().verify_receipt(&again).await.unwrap());
}
