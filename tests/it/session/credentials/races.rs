//! Logins with the old password while it is changed, in each order of steps and in parallel.

use tokio::sync::Barrier;

use super::*;

on_each_store! {
    in_no_order_of_steps_a_login_with_the_old_password_outlives_the_change => orders;
    of_six_logins_during_a_change_none_with_the_old_password_outlives_it => parallel;
}

/// The steps of a login, and of a password change, each in order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    ReadEpoch,
    Verify,
    LogIn,
    StoreHash,
    Tell,
}

const LOGIN: [Step; 3] = [Step::ReadEpoch, Step::Verify, Step::LogIn];
const CHANGE: [Step; 2] = [Step::StoreHash, Step::Tell];

/// Each way to interleave the two.
fn merged(login: &[Step], change: &[Step]) -> Vec<Vec<Step>> {
    let mut all = Vec::new();
    for (first, rest) in [
        (login.first(), login.get(1..).map(|rest| (rest, change))),
        (change.first(), change.get(1..).map(|rest| (login, rest))),
    ] {
        if let (Some(first), Some((login, change))) = (first, rest) {
            all.extend(merged(login, change).into_iter().map(|rest| [vec![*first], rest].concat()));
        }
    }
    if all.is_empty() { vec![Vec::new()] } else { all }
}

async fn orders<S: Store + Clone>(store: S) {
    let orders = merged(&LOGIN, &CHANGE);
    assert_eq!(orders.len(), 10);
    let site = Site::new(store);
    for order in orders {
        *site.password.lock().unwrap() = "old".to_owned();
        site.guestbook.sessions().revoke_user(&ada()).await.unwrap();
        let mut own = site.user().await;
        let mut logins: Vec<_> = (0..6).map(|_| site.client()).collect();
        let place = |step| order.iter().position(|other| *other == step).unwrap();
        let is_verified = place(Step::Verify) < place(Step::StoreHash);
        for step in &order {
            match step {
                Step::StoreHash => *site.password.lock().unwrap() = "new".to_owned(),
                Step::Tell => drop(own.ok("/changed").await),
                _ => {
                    for login in &mut logins {
                        let (path, expected) = match step {
                            Step::ReadEpoch => ("/epoch", StatusCode::OK),
                            Step::Verify if is_verified => ("/verify/old", StatusCode::OK),
                            Step::Verify => ("/verify/old", StatusCode::FORBIDDEN),
                            _ if !is_verified => ("/finish", StatusCode::FORBIDDEN),
                            _ if place(Step::Tell) < place(Step::LogIn)
                                && place(Step::ReadEpoch) < place(Step::Tell) =>
                            {
                                ("/finish", StatusCode::CONFLICT)
                            }
                            _ => ("/finish", StatusCode::OK),
                        };
                        assert_eq!(login.get(path).await.status, expected, "{order:?}: {step:?}");
                    }
                }
            }
        }
        for login in &mut logins {
            assert_eq!(login.user().await, None, "{order:?}");
        }
        assert_eq!((own.user().await.as_deref(), site.count().await), (Some("ada"), 1), "{order:?}");
    }
}

async fn parallel<S: Store + Clone>(store: S) {
    let site = Site::new(store);
    for round in 0..12 {
        *site.password.lock().unwrap() = "old".to_owned();
        site.guestbook.sessions().revoke_user(&ada()).await.unwrap();
        let mut own = site.user().await;
        let start = Arc::new(Barrier::new(7));
        let logins: Vec<_> = (0..6)
            .map(|_| {
                let (client, start) = (site.client(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    let (mut made, mut refused) = (Vec::new(), 0);
                    for _ in 0..8 {
                        let mut client = client.clone();
                        match client.get("/at-once/old").await.status {
                            StatusCode::OK => made.push(client),
                            StatusCode::CONFLICT => refused += 1,
                            StatusCode::FORBIDDEN => return (made, refused),
                            other => panic!("{other}"),
                        }
                    }
                    (made, refused)
                })
            })
            .collect();
        start.wait().await;
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        *site.password.lock().unwrap() = "new".to_owned();
        own.ok("/changed").await;
        for login in logins {
            let (made, _) = login.await.unwrap();
            for mut client in made {
                assert_eq!(client.user().await, None, "round {round}");
            }
        }
        assert_eq!((own.user().await.as_deref(), site.count().await), (Some("ada"), 1), "round {round}");
        assert_eq!(site.client().get("/at-once/new").await.status, StatusCode::OK);
    }
}
