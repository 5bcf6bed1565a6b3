//! Signing in to the console: who gets in, what strangers learn, and what ends a session.

use domesday::base::secret::Secret;
use domesday::projection::tables::ACCOUNTS;
use domesday::projection::view::ReadTables;
use domesday::service::activity::receipt::Kind;
use domesday::service::authenticate::Arrival;
use domesday::service::caller::Source;
use domesday::service::founding::Founding;
use domesday::service::signin::session::{self, Cookie, IDLE, LONGEST, Visitor};
use domesday::service::signin::{Refusal, Step, Who};

use super::world::{Authenticator, World};

const PASSWORD: &str = "Domesday-1086";

fn arrival(world: &World, address: &str) -> Arrival {
    Arrival {
        at: world.service.clock().now(),
        request_id: world.service.request_id().unwrap(),
        source: Source { address: Some(address.parse().unwrap()), ..Source::default() },
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn who(world: &World, name: &str) -> Who {
    Who::User { account: world.digits.clone(), name: name.to_owned() }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn try_in(world: &World, who: Who, password: &str, from: &str) -> Result<Step, Refusal> {
    run(world.service.sign_in(who, secret(password), arrival(world, from)))
}

fn sign_in(world: &World, name: &str, password: &str) -> Cookie {
    match try_in(world, who(world, name), password, "10.0.0.1") {
        Ok(Step::In(cookie)) => cookie,
        Ok(_) => panic!("{name} needs a further step"),
        Err(refused) => panic!("{name}: {refused:?}"),
    }
}

fn refused(world: &World, who: Who, password: &str, from: &str) -> Refusal {
    match try_in(world, who, password, from) {
        Ok(_) => panic!("it got in"),
        Err(refused) => refused,
    }
}

fn visitor(world: &World, cookie: &Cookie) -> Option<Visitor> {
    // As it comes back from a browser.
    let cookie = Cookie::read(cookie.value().expose()).unwrap();
    let now = world.service.now();
    session::visitor(&world.service, &now, cookie, &arrival(world, "10.0.0.1")).ok()
}

/// A user with a password, and nothing else.
fn person(world: &World, name: &str) {
    world.ok(&world.admin, "CreateUser", &[("UserName", name)]);
    let profile = [("UserName", name), ("Password", PASSWORD)];
    world.ok(&world.admin, "CreateLoginProfile", &profile);
}

fn kinds(world: &World) -> Vec<Kind> {
    world.receipts().into_iter().map(|(_, receipt)| receipt.kind).collect()
}

#[test]
fn users_and_root_sign_in_by_what_is_theirs() {
    let world = World::new(71);
    person(&world, "alice");
    world.ok(&world.admin, "CreateAccountAlias", &[("AccountAlias", "acme")]);
    let cookie = sign_in(&world, "alice", PASSWORD);
    let alice = visitor(&world, &cookie).unwrap();
    assert!(alice.caller.arn().ends_with(":user/alice"), "{}", alice.caller.arn());
    let by_alias = Who::User { account: "ACME".into(), name: "Alice".into() };
    assert!(matches!(try_in(&world, by_alias, PASSWORD, "10.0.0.1"), Ok(Step::In(_))));
    assert_eq!(kinds(&world).iter().filter(|kind| **kind == Kind::SignedIn).count(), 2);

    let founding = Founding {
        root_email: Some("root@example.org".into()),
        root_password: Some(secret(PASSWORD)),
        ..Founding::default()
    };
    let digits = world.service.found(founding, "test").unwrap().digits;
    let root = Who::Root { email: "Root@Example.org".into() };
    let Ok(Step::In(cookie)) = try_in(&world, root, PASSWORD, "10.0.0.1") else { panic!() };
    let root = visitor(&world, &cookie).unwrap();
    assert!(root.caller.is_root() && root.caller.digits == digits);
    let account = world.service.now().get(domesday::ledger::AccountId::SYSTEM, &ACCOUNTS, &digits);
    assert_eq!(account.unwrap(), Some(root.caller.account));
}

#[test]
fn what_does_not_exist_is_answered_like_what_is_wrong() {
    let world = World::new(72);
    person(&world, "alice");
    world.ok(&world.admin, "CreateUser", &[("UserName", "keyless")]);
    let of = |account: &str, name: &str| Who::User { account: account.into(), name: name.into() };
    let wrong = [
        (of(&world.digits, "alice"), "wrong"),
        (of(&world.digits, "alice"), ""),
        (of(&world.digits, "nobody"), PASSWORD),
        (of(&world.digits, "keyless"), PASSWORD),
        (of("999999999999", "alice"), PASSWORD),
        (of("no-such-alias", "alice"), PASSWORD),
        (Who::Root { email: "nobody@example.org".into() }, PASSWORD),
        (Who::Root { email: String::new() }, PASSWORD),
    ];
    for (number, (who, password)) in wrong.into_iter().enumerate() {
        let from = format!("10.0.1.{number}");
        assert_eq!(refused(&world, who.clone(), password, &from), Refusal::Wrong, "{who:?}");
    }
    world.service.close();
    let failed = kinds(&world).iter().filter(|kind| **kind == Kind::SignInFailed).count();
    // Accounts that do not exist have no book to note it in.
    assert_eq!(failed, 4);
}

#[test]
fn guessing_is_slowed_down_whether_the_name_exists_or_not() {
    let world = World::new(73);
    person(&world, "alice");
    for name in ["alice", "nobody"] {
        for _ in 0..3 {
            assert_eq!(refused(&world, who(&world, name), "wrong", "10.0.2.1"), Refusal::Wrong);
        }
        assert_eq!(refused(&world, who(&world, name), PASSWORD, "10.0.2.1"), Refusal::Wait(1));
    }
    // Nor does another way to write the account help.
    let spaced = |spaces: usize| Who::User {
        account: world.digits.clone() + &" ".repeat(spaces),
        name: "alice".into(),
    };
    for spaces in 1..4 {
        assert_eq!(refused(&world, spaced(spaces), PASSWORD, "10.0.2.1"), Refusal::Wait(1));
    }
    // Elsewhere she gets in, and here in a moment.
    assert!(try_in(&world, who(&world, "alice"), PASSWORD, "10.0.2.2").is_ok());
    world.clock.advance(1);
    assert!(try_in(&world, who(&world, "alice"), PASSWORD, "10.0.2.1").is_ok());
}

#[test]
fn a_password_that_must_be_changed_is_changed_first() {
    let world = World::new(74);
    world.ok(&world.admin, "CreateUser", &[("UserName", "alice")]);
    let profile =
        [("UserName", "alice"), ("Password", PASSWORD), ("PasswordResetRequired", "true")];
    world.ok(&world.admin, "CreateLoginProfile", &profile);
    let Ok(Step::NewPassword(ticket)) = try_in(&world, who(&world, "alice"), PASSWORD, "10.0.0.1")
    else {
        panic!("it must be changed");
    };
    let change = |new: &str| {
        let arrival = arrival(&world, "10.0.0.1");
        run(world.service.sign_in_new_password(ticket.clone(), secret(new), arrival))
    };
    assert!(matches!(change("short"), Err(Refusal::NewPassword(_))));
    let Ok(Step::In(cookie)) = change("Another-1086") else { panic!("a good one") };
    assert!(visitor(&world, &cookie).is_some());
    // The ticket was for once.
    assert!(matches!(change("Third-one-1086"), Err(Refusal::Late)));
    assert_eq!(refused(&world, who(&world, "alice"), PASSWORD, "10.0.0.1"), Refusal::Wrong);
    sign_in(&world, "alice", "Another-1086");
    // Nor is it for later.
    world.ok(
        &world.admin,
        "UpdateLoginProfile",
        &[("UserName", "alice"), ("PasswordResetRequired", "true")],
    );
    let Ok(Step::NewPassword(ticket)) =
        try_in(&world, who(&world, "alice"), "Another-1086", "10.0.0.1")
    else {
        panic!("it must be changed");
    };
    world.clock.advance(301);
    let late = arrival(&world, "10.0.0.1");
    let late = run(world.service.sign_in_new_password(ticket, secret("Fourth-1086"), late));
    assert!(matches!(late, Err(Refusal::Late)));
}

#[test]
fn a_second_factor_is_asked_for_and_used_up() {
    let world = World::new(75);
    person(&world, "alice");
    world.allow("alice", "iam:*", "*");
    let made =
        world.ok(&world.admin, "CreateVirtualMFADevice", &[("VirtualMFADeviceName", "phone")]);
    let app = Authenticator::of(&made);
    let [first, second] = app.pair(world.service.clock().now());
    world.ok(
        &world.admin,
        "EnableMFADevice",
        &[
            ("UserName", "alice"),
            ("SerialNumber", &app.serial),
            ("AuthenticationCode1", &first),
            ("AuthenticationCode2", &second),
        ],
    );
    world.clock.advance(60);
    let ticket = || match try_in(&world, who(&world, "alice"), PASSWORD, "10.0.0.1") {
        Ok(Step::Code(ticket)) => ticket,
        _ => panic!("a code is needed"),
    };
    let show = |ticket: &Secret<String>, code: &str| {
        let arrival = arrival(&world, "10.0.0.1");
        run(world.service.sign_in_code(ticket.clone(), secret(code), arrival))
    };
    let begun = ticket();
    assert!(matches!(show(&begun, "000000"), Err(Refusal::WrongCode)));
    let code = app.code(world.service.clock().now(), 0);
    let Ok(Step::In(cookie)) = show(&begun, &code) else { panic!("the code is right") };
    let alice = visitor(&world, &cookie).unwrap();
    assert_eq!(alice.caller.session().unwrap().mfa, Some(true));
    // Neither ticket nor code is good again.
    assert!(matches!(show(&begun, &code), Err(Refusal::Late)));
    assert!(matches!(show(&ticket(), &code), Err(Refusal::WrongCode)));
    // A ticket bears few tries.
    let begun = ticket();
    for _ in 0..5 {
        world.clock.advance(1);
        assert!(show(&begun, "000000").is_err());
    }
    world.clock.advance(120);
    let code = app.code(world.service.clock().now(), 0);
    assert!(matches!(show(&begun, &code), Err(Refusal::Late)));
}

#[test]
fn a_session_ends_by_time_by_signing_out_and_with_its_password() {
    let world = World::new(76);
    person(&world, "alice");
    let begin = || sign_in(&world, "alice", PASSWORD);
    let advance = |seconds: i64| world.clock.advance(seconds);

    let unused = begin();
    advance(IDLE);
    assert!(visitor(&world, &unused).is_none());

    let busy = begin();
    for _ in 0..(LONGEST / (IDLE - 60)) {
        advance(IDLE - 60);
        let alice = visitor(&world, &busy).expect("it is used");
        world
            .service
            .activity()
            .note_used(domesday::service::used(&alice.person, "iam", "here"))
            .unwrap();
        flush(&world);
    }
    advance(LONGEST % (IDLE - 60));
    assert!(visitor(&world, &busy).is_none(), "the longest session is over");

    let (one, other) = (begin(), begin());
    let here = visitor(&world, &one).unwrap();
    world.service.sign_out(&here, &arrival(&world, "10.0.0.1")).unwrap();
    assert!(visitor(&world, &one).is_none() && visitor(&world, &other).is_some());
    advance(1);
    let third = begin();
    let here = visitor(&world, &third).unwrap();
    advance(1);
    world.service.sign_out_everywhere(&here, &arrival(&world, "10.0.0.1")).unwrap();
    assert!(visitor(&world, &third).is_none() && visitor(&world, &other).is_none());

    advance(1);
    let begun = begin();
    world.ok(
        &world.admin,
        "UpdateLoginProfile",
        &[("UserName", "alice"), ("Password", "Another-1086")],
    );
    assert!(visitor(&world, &begun).is_none(), "the password was set anew");
    let begun = sign_in(&world, "alice", "Another-1086");
    assert!(visitor(&world, &begun).is_some());
    world.ok(&world.admin, "DeleteLoginProfile", &[("UserName", "alice")]);
    assert!(visitor(&world, &begun).is_none(), "there is no password");
}

/// Waits until what was noted is written.
fn flush(world: &World) {
    let (_, last) = world.receipts().pop().unwrap();
    world.service.activity().note_durably(last, Vec::new()).unwrap();
}

#[test]
fn a_cookie_is_good_for_nothing_else() {
    let world = World::new(77);
    person(&world, "alice");
    let cookie = sign_in(&world, "alice", PASSWORD);
    let key = super::world::Key {
        id: cookie.own.key.to_string(),
        token: Some(cookie.own.token.expose().clone()),
    };
    assert!(world.caller(&key).is_err(), "a cookie does not sign requests");
    let value = cookie.value().expose().clone();
    for wrong in [
        value.replace('.', ""),
        format!("{value}x"),
        format!("{value}|{value}"),
        value.replace("ASIA", "AKIA"),
        String::new(),
    ] {
        let read = Cookie::read(&wrong);
        let now = world.service.now();
        let got = read.and_then(|cookie| {
            session::visitor(&world.service, &now, cookie, &arrival(&world, "10.0.0.1")).ok()
        });
        assert!(got.is_none(), "{wrong}");
    }
    assert!(visitor(&world, &cookie).is_some());
    // Credentials of the API are no cookie.
    world.allow("alice", "*", "*");
    let made = world.ok(&world.admin, "CreateAccessKey", &[("UserName", "alice")]);
    let alice = super::world::Key::long_term(made["AccessKey"]["AccessKeyId"].as_str().unwrap());
    let issued = super::world::Key::of(&world.ok(&alice, "GetSessionToken", &[]));
    let text = format!("{}.{}", issued.id, issued.token.unwrap());
    let cookie = Cookie::read(&text).unwrap();
    let now = world.service.now();
    let got = session::visitor(&world.service, &now, cookie, &arrival(&world, "10.0.0.1"));
    assert!(got.is_err());
}

#[test]
fn a_policy_that_asks_for_a_second_factor_sees_it_while_the_password_is_changed() {
    let world = World::new(78);
    world.ok(&world.admin, "CreateUser", &[("UserName", "alice")]);
    let profile =
        [("UserName", "alice"), ("Password", PASSWORD), ("PasswordResetRequired", "true")];
    world.ok(&world.admin, "CreateLoginProfile", &profile);
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}]}"#;
    let put = [("UserName", "alice"), ("PolicyName", "deny"), ("PolicyDocument", deny)];
    world.ok(&world.admin, "PutUserPolicy", &put);
    let change = |ticket: Secret<String>| {
        let arrival = arrival(&world, "10.0.0.1");
        run(world.service.sign_in_new_password(ticket, secret("Another-1086"), arrival))
    };
    let bare = try_in(&world, who(&world, "alice"), PASSWORD, "10.0.0.1");
    let Ok(Step::NewPassword(ticket)) = bare else { panic!("it must be changed") };
    assert!(matches!(change(ticket), Err(Refusal::NewPassword(_))), "without a factor");
    let name = [("VirtualMFADeviceName", "phone")];
    let app = Authenticator::of(&world.ok(&world.admin, "CreateVirtualMFADevice", &name));
    let [first, second] = app.pair(world.service.clock().now());
    world.ok(
        &world.admin,
        "EnableMFADevice",
        &[
            ("UserName", "alice"),
            ("SerialNumber", &app.serial),
            ("AuthenticationCode1", &first),
            ("AuthenticationCode2", &second),
        ],
    );
    world.clock.advance(60);
    let begun = try_in(&world, who(&world, "alice"), PASSWORD, "10.0.0.1");
    let Ok(Step::Code(ticket)) = begun else { panic!("a code is needed") };
    let code = secret(&app.code(world.service.clock().now(), 0));
    let shown = run(world.service.sign_in_code(ticket, code, arrival(&world, "10.0.0.1")));
    let Ok(Step::NewPassword(ticket)) = shown else { panic!("and then a new password") };
    let Ok(Step::In(cookie)) = change(ticket) else { panic!("with the factor") };
    assert_eq!(visitor(&world, &cookie).unwrap().caller.session().unwrap().mfa, Some(true));
}
