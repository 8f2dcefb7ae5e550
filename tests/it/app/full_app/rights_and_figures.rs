//! Requests, restriction and the audit trail; and what the server knows of what people do.

use super::*;

#[tokio::test]
async fn full_app_answers_requests_and_shows_the_audit_trail() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (mut guest, mut admin) = (TestClient::new(&server), TestClient::new(&server));
    for path in ["/api/gdpr/requests", "/api/gdpr/audit", "/api/gdpr/processing", "/api/admin/audit"] {
        assert_eq!(guest.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    guest.login("user1", "user123").await;
    admin.login("admin", "admin123").await;
    let none = json!({});
    let filed = guest.send(Method::POST, "/api/gdpr/requests/rectification", &none).await;
    assert_eq!((filed.status, &filed.json["duplicate"]), (StatusCode::CREATED, &json!(false)), "{}", filed.json);
    let again = guest.send(Method::POST, "/api/gdpr/requests/rectification", &none).await;
    assert_eq!((again.status, &again.json["request"]["id"]), (StatusCode::OK, &filed.json["request"]["id"]));
    assert_eq!(guest.send(Method::POST, "/api/gdpr/requests/gold", &none).await.status, StatusCode::BAD_REQUEST);
    let requests = guest.get("/api/gdpr/requests").await.json;
    assert_eq!(requests["requests"].as_array().unwrap().len(), 1, "{requests}");
    assert_eq!(admin.get("/api/gdpr/requests").await.json["requests"], json!([]), "nobody sees another's");

    assert_eq!(guest.send(Method::POST, "/api/gdpr/restriction", &none).await.status, StatusCode::OK);
    assert_eq!(guest.ask(Method::DELETE, "/api/gdpr/restriction", &[], "").await.status, StatusCode::OK);
    assert_eq!(guest.ask(Method::DELETE, "/api/gdpr/restriction", &[], "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(guest.send(Method::POST, "/api/gdpr/objection/analytics", &none).await.status, StatusCode::OK);
    let consent = guest.get("/api/consent").await.json;
    assert_eq!(consent["history"][0]["decision"], "objected", "{consent}");

    let audit = guest.get("/api/gdpr/audit").await.json;
    let actions: Vec<_> = audit["entries"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert!(actions.contains(&&json!("restricted")) && actions.contains(&&json!("restriction_lifted")), "{audit}");
    assert_eq!(admin.get("/api/gdpr/audit").await.json["entries"], json!([]));
    let report = admin.get("/api/admin/audit").await.json;
    assert_eq!(report["report"]["fault"], Value::Null, "{report}");
    assert_eq!(guest.get("/api/gdpr/processing").await.status, StatusCode::FORBIDDEN);
    let processing = admin.get("/api/gdpr/processing").await.json;
    assert!(processing["purposes"].as_array().is_some_and(|purposes| purposes.len() >= 3), "{processing}");
}

#[tokio::test]
async fn full_app_shows_figures_and_names_invalid_parameters() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (mut guest, mut admin) = (TestClient::new(&server), TestClient::new(&server));
    assert_eq!(guest.get("/api/analytics/user").await.status, StatusCode::UNAUTHORIZED);
    guest.login("user1", "user123").await;
    admin.login("admin", "admin123").await;
    for page in ["/prices", "/cart", "/turned\u{202e}round"] {
        let view = json!({ "page": page, "title": page });
        assert_eq!(guest.send(Method::POST, "/api/track/page", &view).await.status, StatusCode::OK);
    }
    let summary = guest.get("/api/analytics/user").await.json;
    assert_eq!(summary["user_id"], "2", "{summary}");
    assert!(summary["total_activities"].as_u64() >= Some(2), "{summary}");
    assert_eq!(summary["event_breakdown"]["page_view"], 3, "{summary}");
    let journey = guest.get("/api/analytics/journey?limit=100").await.json;
    let steps = journey["journey"].as_array().unwrap();
    assert_eq!(journey["steps"], steps.len());
    let pages: Vec<_> = steps.iter().filter_map(|step| step["event_data"]["page"].as_str()).collect();
    assert_eq!(pages, ["/prices", "/cart", "/turned\u{202e}round"], "{journey}");

    for path in ["active-users", "series", "pages", "hours", "top-users", "sessions", "patterns", "retention", "report"]
    {
        let path = format!("/api/analytics/{path}");
        assert_eq!(guest.get(&path).await.status, StatusCode::FORBIDDEN, "{path}");
        let reply = admin.get(&path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.json);
    }
    let text = admin.get("/api/analytics/report?format=text").await.text;
    assert!(text.starts_with("System report of the 24 hours before 20"), "{text}");
    assert!(text.contains("Top users\n  user  events\n  2 "), "{text}");
    assert!(text.contains("/turned\u{fffd}round") && !text.contains('\u{202e}'), "names stay in their cells: {text}");
    // Nobody is asked about logins, so they do not count: the administrator has done nothing else.
    assert_eq!(admin.get("/api/analytics/active-users").await.json["active_users"], 1);
    // Nothing is over yet, so nothing is summed up; the answers are the same in any case.
    let none = json!({ "checked": 0, "wrong": [] });
    assert_eq!(admin.get("/api/analytics/rollups").await.json, none);
    assert_eq!(admin.send(Method::POST, "/api/analytics/rollups", &json!({})).await.json, none);
    assert_eq!(guest.get("/api/analytics/rollups").await.status, StatusCode::FORBIDDEN);
    let pages = admin.get("/api/analytics/pages").await.json;
    assert!(pages["pages"].as_array().unwrap().iter().any(|page| page["page"] == "/prices"), "{pages}");
    let funnel = admin.get("/api/analytics/funnel?steps=page_view,page_view").await;
    assert_eq!(funnel.status, StatusCode::OK, "{}", funnel.json);

    let series = admin.get("/api/analytics/series?period=hour&hours=24&zone=Europe/Berlin").await.json;
    assert_eq!((&series["period"], &series["zone"]), (&json!("hour"), &json!("Europe/Berlin")), "{series}");
    let buckets = series["buckets"].as_array().unwrap();
    assert!(matches!(buckets.len(), 24 | 25), "{series}");
    assert_eq!(buckets.iter().map(|bucket| bucket["active_users"].as_u64().unwrap()).max(), Some(1), "{series}");
    assert!(buckets.iter().map(|bucket| bucket["events"].as_u64().unwrap()).sum::<u64>() >= 2, "{series}");
    let patterns = admin.get("/api/analytics/patterns?types=page_view").await.json;
    let longest = json!(["page_view:/prices", "page_view:/cart", "page_view:/turned\u{202e}round"]);
    assert_eq!(patterns["patterns"][0]["labels"], longest, "{patterns}");

    for (query, parameter) in [
        ("series?period=minute", "period"),
        ("series?hours=0", "hours"),
        ("series?zone=Mars/Olympus", "zone"),
        ("patterns?types=", "types"),
        ("pages?zone=Mars/Olympus", "zone"),
        ("pages?limit=0", "limit"),
        ("pages?limit=1000000", "limit"),
        ("pages?from=9&until=8", "until"),
        ("pages?from=yesterday", "from"),
        ("pages?hours=1000000", "hours"),
        ("active-users?hours=-1", "hours"),
        ("patterns?longest=99", "longest"),
        ("funnel?steps=", "steps"),
        ("funnel?steps=a,b,c,d,e,f,g,h,i,j,k,l", "steps"),
        ("retention?period=eon", "period"),
        ("report?format=gold", "format"),
    ] {
        let reply = admin.get(&format!("/api/analytics/{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}: {}", reply.json);
        assert!(reply.json["error"].as_str().unwrap().contains(parameter), "{query}: {}", reply.json);
    }
}
