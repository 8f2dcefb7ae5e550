//! Which requirement of OWASP ASVS 5.0, chapters V7 (sessions) and V3.3 (cookies), is met by what,
//! and which test shows it.
//!
//! Tests are named `module::test` and live in `tests/it`; those marked *unit* stand beside the
//! code. The wording of the requirements is ours, the numbers are the standard's.
//!
//! | id | requirement | met by | shown by |
//! |---|---|---|---|
//! | 7.1.1 | idle and absolute lifetime are documented with reasons | [`Lifetime`](crate::session::Lifetime): 30 min and 12 h, NIST SP 800-63B's figures for AAL3 | documentation |
//! | 7.1.2 | parallel sessions and what happens at the limit | [`SessionCap`](crate::session::SessionCap): 100, then the oldest ends; or refuse | `session::lifecycle::session_cap_is_enforced` |
//! | 7.1.3 | single sign-on: who ends what | not provided: an identity provider's session is its own. End ours with [`Sessions::revoke_user`](crate::session::Sessions::revoke_user) when it says so (OpenID Connect back-channel logout) | documentation |
//! | 7.2.1 | only the server verifies tokens | a token is random and means nothing; it is looked up by its hash | `session::cookies::forged_and_malformed_tokens_authenticate_nobody` |
//! | 7.2.2 | tokens are made per session | [`SessionToken::generate`](crate::SessionToken::generate) | `session::lifecycle::login_again_issues_a_new_token_and_another_user_gets_no_data` |
//! | 7.2.3 | at least 128 bits from a CSPRNG, unique | 256 bits from the operating system | unit: `id::a_million_tokens_are_unique_and_their_bits_are_balanced` |
//! | 7.2.4 | a new token at login and re-login, the old one ends | [`Session::login`](crate::Session::login) begins a new session in one transaction | `session::lifecycle::login_keeps_data_and_invalidates_a_planted_token`, conformance suite |
//! | 7.3.1 | idle timeout, enforced by the server | [`session_status`](crate::session::session_status), and every method of the store | `session::lifecycle::idle_timeout_ends_to_the_millisecond` |
//! | 7.3.2 | absolute lifetime, enforced by the server | the same | `session::lifecycle::absolute_timeout_ends_an_active_session_to_the_millisecond` |
//! | 7.4.1 | logout and expiry end the session; the back button shows nothing | deletion in the store, `Cache-Control: no-store` where the session was read | `session::lifecycle::logout_invalidates_the_token_everywhere`, `app::browser` |
//! | 7.4.2 | all sessions end with the account | [`Sessions::revoke_user`](crate::session::Sessions::revoke_user) | `session::lifecycle::logout_others_and_logout_everywhere_end_sessions` |
//! | 7.4.3 | others can be ended after a change of credentials | [`Session::credentials_changed`](crate::Session::credentials_changed), which refuses logins that are under way, too; [`Session::logout_others`](crate::Session::logout_others) | `session::credentials`; `app::full_app` after a change of password |
//! | 7.4.4 | logout is visible on every page | the application's; `app::full_app` does it | `app::browser` |
//! | 7.4.5 | an administrator ends a user's sessions or all | [`Sessions::revoke_user`](crate::session::Sessions::revoke_user), [`revoke_all`](crate::session::Sessions::revoke_all) | `session::lifecycle::logout_others_and_logout_everywhere_end_sessions`, `app::full_app` |
//! | 7.5.1, 7.5.3 | recent authentication before sensitive changes | [`RequireLogin::within`](crate::http::RequireLogin::within), [`Session::authenticated_within`](crate::Session::authenticated_within) | `http::gates::a_gate_for_recent_logins_closes_after_its_time` |
//! | 7.5.2 | users see and end their sessions | [`Session::list`](crate::Session::list), [`revoke`](crate::Session::revoke) | `session::lifecycle::list_and_revoke_show_and_end_sessions_of_the_user` |
//! | 7.6.2 | no session without an action of the user | nothing is stored until something is written | `session::lifecycle::request_without_a_write_creates_no_session_and_no_cookie` |
//! | 3.3.1 | `Secure` and a name prefix | default cookie `__Host-session` | `session::lifecycle::first_write_creates_an_anonymous_session_with_a_secure_cookie` |
//! | 3.3.2 | `SameSite` by purpose | `Lax`; `None` only with `Secure` | unit: `http::cookie` |
//! | 3.3.3 | `__Host-` unless shared between hosts | `Domain` with `__Host-` fails in `build()` | unit: `http::cookie::what_browsers_refuse_is_refused_at_build` |
//! | 3.3.4 | `HttpOnly`; the value only in `Set-Cookie` | default; [`Session::issued_token`](crate::Session::issued_token) is the documented exception for API clients | `session::lifecycle::first_write_creates_an_anonymous_session_with_a_secure_cookie` |
//! | 3.3.5 | name and value at most 4096 bytes | checked in `build()`; the value always has 43 bytes | unit: `http::cookie::what_browsers_refuse_is_refused_at_build` |
