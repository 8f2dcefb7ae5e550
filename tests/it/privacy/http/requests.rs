//! Requests: whose they are, how they are filed, confirmed and taken back, and how they are listed.

use super::*;

async fn filed(caller: &Caller, kind: &str) -> String {
    let answer = caller.post(&format!("/requests/{kind}"), &json!({})).await;
    assert_ok(&answer, StatusCode::CREATED, kind)["request"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn request_of_each_kind_is_filed_once_with_its_message() {
    let site = Site::without_mail(MemoryStore::new());
    let ada = site.login("ada").await;
    for kind in RequestKind::ALL {
        let path = format!("/requests/{}", kind.as_str());
        let filed = assert_ok(&ada.post(&path, &json!({ "message": "Please." })).await, StatusCode::CREATED, &path);
        assert_eq!((&filed["request"]["message"], &filed["duplicate"]), (&json!("Please."), &json!(false)));
        let again = assert_ok(&ada.post(&path, &json!({ "message": null })).await, StatusCode::OK, &path);
        assert_eq!((&again["request"], &again["duplicate"]), (&filed["request"], &json!(true)));
        let of_kind = assert_ok(&ada.get(&path).await, StatusCode::OK, &path);
        assert_eq!(of_kind["requests"], json!([filed["request"]]));
    }
    let trail = site.guestbook.audit().entries(0, 10, Some(&user("ada"))).await.unwrap();
    assert!(trail.iter().all(|row| row.entry.actor_kind.as_str() == "user") && trail.len() == 6);
}

#[tokio::test]
async fn invalid_request_names_the_field_and_files_nothing() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let before = site.state().await;
    for (kind, body, field) in [
        ("access", json!({ "message": "" }), "message"),
        ("access", json!({ "message": "x".repeat(1_001) }), "message"),
        ("access", json!({ "message": 7 }), "message"),
        ("access", json!({ "user": "bob" }), "user"),
        ("access", json!({ "message": "x", "user_id": "bob" }), "user_id"),
        ("erasure", json!({ "message": "Nobody would read this." }), "message"),
    ] {
        assert_names(&ada.post(&format!("/requests/{kind}"), &body).await, 422, field, &body.to_string());
    }
    let long = "n".repeat(1_000);
    let problem = assert_problem(&ada.post("/requests/access", &json!({ &long: 1 })).await, 422, "a long name");
    assert_eq!(problem["field"], long[..64], "no more than this is repeated");
    assert_eq!(site.state().await, before);
}

#[tokio::test]
async fn requests_are_paged_without_duplicates() {
    let site = Site::without_mail(MemoryStore::new());
    let ada = site.login("ada").await;
    let mut all = Vec::new();
    for kind in ["access", "rectification", "erasure", "restriction", "portability"] {
        all.push(filed(&ada, kind).await);
        site.clock.advance(Duration::from_secs(60));
    }
    filed(&site.login("bob").await, "access").await;
    let (mut found, mut path) = (Vec::new(), "/requests?limit=2".to_owned());
    let pages = loop {
        let page = assert_ok(&ada.get(&path).await, StatusCode::OK, &path);
        let requests = page["requests"].as_array().unwrap();
        assert!(requests.len() <= 2);
        found.extend(requests.iter().map(|request| request["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break found.len().div_ceil(2) };
        path = format!("/requests?limit=2&after={next}");
    };
    assert_eq!((found, pages), (all.clone(), 3));
    assert_eq!(ada.delete(&format!("/requests/{}", all[0])).await.status, StatusCode::OK);
    let open = assert_ok(&ada.get("/requests?open=true&limit=4").await, StatusCode::OK, "open");
    assert_eq!((open["requests"].as_array().unwrap().len(), &open["next"]), (4, &Value::Null));
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=2&limit=2", "limit"),
        ("after=7", "after"),
        ("after=", "after"),
        ("open=maybe", "open"),
    ] {
        assert_names(&ada.get(&format!("/requests?{query}")).await, 400, field, query);
    }
    assert_ok(&ada.get("/requests?limit=200&utm_source=mail").await, StatusCode::OK, "what others add does not matter");
}

#[tokio::test]
async fn request_of_another_user_gets_404() {
    let site = Site::new(MemoryStore::new());
    let (ada, bob) = (site.login("ada").await, site.login("bob").await);
    let theirs = filed(&ada, "access").await;
    ada.post("/requests/erasure", &json!({})).await;
    let (_, erasure, token) = site.mail.last();
    let before = site.state().await;
    let nobodys = "0199f0e0-7a00-7000-8000-000000000001";
    let confirmation = json!({ "token": token });
    for id in [&theirs, &erasure.to_string()] {
        for (method, end, body) in [
            (Method::GET, "", &json!({})),
            (Method::DELETE, "", &json!({})),
            (Method::POST, "/confirmation", &confirmation),
        ] {
            let what = format!("{method} {id}{end}");
            let answer = bob.send(method.clone(), &format!("/requests/{id}{end}"), body).await;
            let unknown = bob.send(method, &format!("/requests/{nobodys}{end}"), body).await;
            assert_problem(&answer, 404, &what);
            assert_eq!(answer.body, unknown.body, "{what}: it looks like one that nobody ever filed");
        }
        // Five wrong tokens would make it worthless.
        site.clock.advance(minutes(4));
    }
    assert_eq!(site.state().await, before);
    assert_eq!(bob.get("/requests").await.json()["requests"], json!([]));
    let fresh = site.login("ada").await;
    assert_ok(&fresh.post(&format!("/requests/{erasure}/confirmation"), &confirmation).await, StatusCode::OK, "ada");
}

#[tokio::test]
async fn erasure_is_confirmed_with_the_token_and_cancelled_during_the_grace() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let asked = ada.post("/requests/erasure", &json!({})).await;
    let json = assert_ok(&asked, StatusCode::CREATED, "filed");
    let (user_id, id, token) = site.mail.last();
    assert_eq!((user_id, json["token_sent"].as_bool()), (user("ada"), Some(true)));
    assert_eq!(json["request"]["id"], id.to_string());
    assert!(!asked.body.contains(&token), "the token goes another way");

    let path = format!("/requests/{id}/confirmation");
    for wrong in
        [json!({}), json!({ "token": 7 }), json!({ "token": "short" }), json!({ "token": token, "user": "bob" })]
    {
        let field = if wrong.get("user").is_some() { "user" } else { "token" };
        assert_names(&ada.post(&path, &wrong).await, 422, field, &wrong.to_string());
        site.clock.advance(minutes(1));
    }
    let ada = site.login("ada").await;
    let guessed = json!({ "token": "A".repeat(43) });
    assert_problem(&ada.post(&path, &guessed).await, 403, "a guess");
    let confirmed = assert_ok(&ada.post(&path, &json!({ "token": token })).await, StatusCode::OK, "the right one");
    assert_eq!(confirmed["request"]["state"], "confirmed");
    assert_problem(&ada.post(&path, &json!({ "token": token })).await, 409, "once");
    let restriction = assert_ok(&ada.get("/restriction").await, StatusCode::OK, "restricted");
    assert_eq!(restriction["restriction"]["reason"], "erasure_pending");

    // Asked again meanwhile there is nothing to confirm.
    let again = assert_ok(&ada.post("/requests/erasure", &json!({})).await, StatusCode::OK, "again");
    assert_eq!((&again["token_sent"], site.mail.count()), (&json!(false), 1));

    let cancelled = assert_ok(&ada.delete(&format!("/requests/{id}")).await, StatusCode::OK, "cancelled");
    assert_eq!(cancelled["request"]["state"], "cancelled");
    assert_eq!(ada.get("/restriction").await.json()["restriction"], Value::Null);
    assert_problem(&ada.delete(&format!("/requests/{id}")).await, 409, "it is over");
}

#[tokio::test(start_paused = true)]
async fn erasure_cannot_be_cancelled_after_the_grace() {
    let site = Site::new(MemoryStore::new());
    // The sweep at the start is over before there is anything to erase, and the next one does not
    // come.
    tokio::time::advance(Duration::from_millis(2)).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let ada = site.login("ada").await;
    ada.post("/requests/erasure", &json!({})).await;
    let (_, id, token) = site.mail.last();
    let confirmed = ada.post(&format!("/requests/{id}/confirmation"), &json!({ "token": token })).await;
    assert_ok(&confirmed, StatusCode::OK, "confirmed");
    site.clock.advance(minutes(7 * 24 * 60));
    let ada = site.login("ada").await;
    assert_problem(&ada.delete(&format!("/requests/{id}")).await, 409, "too late");
}

#[tokio::test]
async fn token_is_invalid_after_five_wrong_tries_and_can_be_replaced() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    ada.post("/requests/erasure", &json!({})).await;
    let (_, id, token) = site.mail.last();
    let path = format!("/requests/{id}/confirmation");
    for _ in 0..5 {
        site.clock.advance(minutes(1));
        assert_problem(&ada.post(&path, &json!({ "token": "B".repeat(42) + "A" })).await, 403, "wrong");
    }
    let ada = site.login("ada").await;
    assert_problem(&ada.post(&path, &json!({ "token": token })).await, 403, "it was tried too often");
    assert_ok(&ada.post("/requests/erasure", &json!({})).await, StatusCode::OK, "another");
    let (_, same, token) = site.mail.last();
    assert_eq!((same, site.mail.count()), (id, 2));
    assert_ok(&ada.post(&path, &json!({ "token": token })).await, StatusCode::OK, "confirmed");
}

#[tokio::test]
async fn erasure_request_without_a_sender_waits_for_a_person() {
    let site = Site::without_mail(MemoryStore::new());
    let ada = site.login("ada").await;
    site.clock.advance(minutes(6));
    let filed = ada.post("/requests/erasure", &json!({ "message": "Please forget me." })).await;
    let filed = assert_ok(&filed, StatusCode::CREATED, "no recent login is needed to ask");
    assert_eq!((&filed["request"]["state"], filed.get("token_sent")), (&json!("received"), None));
    let path = format!("/requests/{}/confirmation", filed["request"]["id"].as_str().unwrap());
    let ada = site.login("ada").await;
    assert_problem(&ada.post(&path, &json!({ "token": "A".repeat(43) })).await, 403, "there is no token");
}

#[tokio::test]
async fn confirmation_needs_a_waiting_erasure() {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let id = filed(&ada, "access").await;
    let answer = ada.post(&format!("/requests/{id}/confirmation"), &json!({ "token": "A".repeat(43) })).await;
    assert_problem(&answer, 409, "access");
}

#[tokio::test(start_paused = true)]
async fn token_that_cannot_be_sent_gets_503_and_can_be_requested_again() {
    let works = Arc::new(Mutex::new("fails"));
    let how = works.clone();
    let rules = rules().confirm_erasures_by(move |_, _, _| {
        let how = *how.lock().unwrap();
        async move {
            match how {
                "fails" => Err(Error::new(ErrorKind::Unavailable, "mail.internal does not answer")),
                "hangs" => std::future::pending().await,
                _ => Ok(()),
            }
        }
    });
    let site = Site::with(MemoryStore::new(), Mail::default(), rules);
    let ada = site.login("ada").await;
    for how in ["fails", "hangs"] {
        *works.lock().unwrap() = how;
        let answer = ada.post("/requests/erasure", &json!({})).await;
        assert_problem(&answer, 503, how);
        assert!(!answer.body.contains("mail.internal"), "{}", answer.body);
    }
    *works.lock().unwrap() = "works";
    let sent = assert_ok(&ada.post("/requests/erasure", &json!({})).await, StatusCode::OK, "at last");
    assert_eq!((&sent["token_sent"], &sent["duplicate"]), (&json!(true), &json!(true)));
}
