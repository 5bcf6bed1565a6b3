//! The root user's life: e-mail address, password, recovery, and the end of its account.

use std::sync::Arc;

use domesday::base::clock::SimulatedClock;
use domesday::base::random::SeededRandom;
use domesday::base::secret::Secret;
use domesday::base::time::Timestamp;
use domesday::identity::event::Event;
use domesday::identity::id::UniqueId;
use domesday::ledger::{AccountId, Frame};
use domesday::projection::directory::Directory;
use domesday::projection::tables::ACCOUNTS;
use domesday::projection::view::ReadTables;
use domesday::service::activity::receipt::{Kind, LastUsed};
use domesday::service::activity::usage::{SIGN_IN, Use, principal_key};
use domesday::service::audit::{self, Question, verify};
use domesday::service::authenticate::{self, Arrival};
use domesday::service::caller::{Caller, Identity, Source};
use domesday::service::fault::Fault;
use domesday::service::founding::{Founding, Place, open};
use domesday::service::root;
use serde_json::json;

use super::world::{Key, World};

const EMAIL: &str = "root@acme.example";
const PASSWORD: &str = "Correct-Horse-7";

fn world(seed: u64) -> World {
    let clock = Arc::new(SimulatedClock::new(Timestamp::parse("2026-01-01").unwrap()));
    let random = Arc::new(SeededRandom::new(seed));
    let lost = Box::new(|error: &_| panic!("{error}"));
    let service = open(&Place::Memory, clock.clone(), random, lost).unwrap();
    let founding = Founding {
        root_email: Some(EMAIL.into()),
        root_password: Some(secret(PASSWORD)),
        root_key: Some((
            "AKIAROOTROOTROOTROOT".into(),
            secret("a secret of forty characters, more or less"),
        )),
        admin: Some("admin".into()),
        ..Founding::default()
    };
    let founded = service.found(founding, "test").unwrap();
    let admin = Key::long_term(&founded.admin.unwrap().1);
    World { service, clock, digits: founded.digits, admin, replays: true }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn account(world: &World) -> AccountId {
    world.service.now().get(AccountId::SYSTEM, &ACCOUNTS, &world.digits).unwrap().unwrap()
}

/// The root user, as if it had signed in.
fn root_caller(world: &World) -> Caller {
    Caller {
        account: account(world),
        digits: world.digits.clone(),
        identity: Identity::Root { session: None },
        credential: None,
        at: world.service.clock().now(),
        request_id: world.service.request_id().unwrap(),
        source: Source::default(),
    }
}

fn arrival(world: &World) -> Arrival {
    Arrival { at: world.service.clock().now(), ..Arrival::default() }
}

fn wait<T>(doing: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(doing)
}

fn code<T>(outcome: Result<T, Fault>) -> &'static str {
    outcome.err().map_or("fine", |fault| fault.code)
}

fn set_password(world: &World, current: &str, new: &str) -> &'static str {
    let caller = root_caller(world);
    code(wait(world.service.change_root_password(caller, secret(current), secret(new))))
}

fn redeem(world: &World, email: &str, given: &str, new: &str) -> &'static str {
    let (email, given, new) = (email.to_owned(), secret(given), secret(new));
    code(wait(world.service.redeem_root_recovery(arrival(world), email, given, new)))
}

/// Receipts of the root user's acts.
fn receipts(world: &World) -> Vec<Kind> {
    // What the audit notes is durable, and all before it.
    let admin = world.caller(&world.admin).unwrap();
    audit::run(&world.service, &admin, Question::Head, None).unwrap();
    let mut kinds = Vec::new();
    world
        .service
        .activity()
        .receipts(1, &mut |_, receipt| {
            if receipt.principal.1 == UniqueId::root() {
                kinds.push(receipt.kind);
            }
            Ok(true)
        })
        .unwrap();
    kinds
}

#[test]
fn a_password_is_changed_with_the_current_one_and_kept_to_the_rules() {
    let world = world(71);
    let head = world.head();
    assert_eq!(set_password(&world, "Wrong-Horse-8", "Battery-Staple-9"), "AccessDenied");
    assert_eq!(set_password(&world, PASSWORD, "short"), "PasswordPolicyViolation");
    assert_eq!(set_password(&world, PASSWORD, "Root@Acme.Example"), "PasswordPolicyViolation");
    assert_eq!(world.head(), head);
    assert_eq!(set_password(&world, PASSWORD, "Battery-Staple-9"), "fine");
    assert_eq!(set_password(&world, PASSWORD, "Battery-Staple-10"), "AccessDenied");
    assert_eq!(set_password(&world, "Battery-Staple-9", PASSWORD), "fine");
    let admin = world.caller(&world.admin).unwrap();
    let by_admin =
        world.service.change_root_password(admin, secret(PASSWORD), secret("Other-1234"));
    assert_eq!(code(wait(by_admin)), "AccessDenied");
    use Kind::{Allowed, Refused};
    assert_eq!(receipts(&world), [Refused, Allowed, Allowed, Allowed, Refused, Allowed]);
    assert_eq!(world.service.root_counts().read(), [4, 2, 0, 0]);
    // The hashes of old passwords are gone, and the one that counts is there.
    assert_eq!(verify::verify(&world.service).unwrap()["secrets"], 4);
}

#[test]
fn an_email_address_is_one_roots_and_moves_with_it() {
    let world = world(72);
    let change = |email: &str| {
        let caller = root_caller(&world);
        code(wait(world.service.change_root_email(caller, secret(PASSWORD), email.to_owned())))
    };
    let other = Founding { root_email: Some("other@acme.example".into()), ..Founding::default() };
    world.service.found(other.clone(), "test").unwrap();
    assert_eq!(change("Other@acme.example"), "EntityAlreadyExists");
    for wrong in ["", "nobody", "@acme.example", "nobody@", "a b@acme.example", "a\n@acme.example"]
    {
        assert_eq!(change(wrong), "ValidationError", "{wrong}");
    }
    assert_eq!(change("new@acme.example"), "fine");
    assert_eq!(change("new@acme.example"), "fine");
    let of = |email| root::account_of_email(&world.service.now(), email).unwrap();
    assert_eq!(of("NEW@acme.example"), Some(account(&world)));
    assert_eq!(of(EMAIL), None);
    // Somebody else may take the old one; then it is no longer to be had.
    let third = Founding { root_email: Some(EMAIL.into()), ..Founding::default() };
    world.service.found(third, "test").unwrap();
    assert_eq!(change(EMAIL), "EntityAlreadyExists");
    assert_eq!(code(world.service.found(other, "test")), "EntityAlreadyExists");
    // And what is derived is what the events say.
    verify::verify(&world.service).unwrap();
}

#[test]
fn a_forgotten_password_is_set_anew_by_a_code_once_and_in_time() {
    let world = world(73);
    let account = account(&world);
    let issue = || world.service.issue_root_recovery(account, "0@host").unwrap();
    let (void, late) = (issue(), issue());
    let shown = late.code.expose().clone();
    assert_eq!((shown.len(), late.email.as_str()), (23, EMAIL));
    assert_eq!(redeem(&world, EMAIL, void.code.expose(), "Battery-Staple-9"), "AccessDenied");
    assert_eq!(redeem(&world, "other@acme.example", &shown, "Battery-Staple-9"), "AccessDenied");
    world.clock.advance(root::RECOVERY_SECONDS);
    assert_eq!(redeem(&world, EMAIL, &shown, "Battery-Staple-9"), "AccessDenied");
    let good = issue();
    let typed = good.code.expose().to_lowercase().replace('-', " ");
    assert_eq!(redeem(&world, EMAIL, &typed, "short"), "PasswordPolicyViolation");
    assert_eq!(redeem(&world, EMAIL, &typed, "Battery-Staple-9"), "fine");
    assert_eq!(redeem(&world, EMAIL, &typed, "Battery-Staple-10"), "AccessDenied");
    assert_eq!(set_password(&world, PASSWORD, PASSWORD), "AccessDenied");
    assert_eq!(set_password(&world, "Battery-Staple-9", PASSWORD), "fine");
    assert_eq!(world.service.root_counts().read(), [1, 1, 1, 4]);
    assert_eq!(verify::verify(&world.service).unwrap()["secrets"], 4);

    // Who had it issued is told; the code is told nowhere.
    let mut told = String::new();
    for position in 1..=world.head() {
        let bytes = world.service.ledger().event(position).unwrap();
        let event = Event::decode(Frame::read(position, &bytes).unwrap().body).unwrap();
        told += &format!("{event:?}{}", String::from_utf8_lossy(&bytes));
    }
    for code in [&void, &late, &good].map(|one| one.code.expose().clone()) {
        assert!(!told.contains(&code) && !told.contains(&code.replace('-', "")), "{code}");
    }
    let operator = world.service.operator("0@host", account).unwrap();
    let question =
        Question::parse("events", &[("operation".into(), "RecoverRoot".into())]).unwrap();
    let events = audit::run(&world.service, &operator, question, None).unwrap();
    let events = events["events"].as_array().unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0]["session"], "0@host");
}

#[test]
fn nothing_of_a_closed_account_is_accepted_until_it_is_reopened() {
    let world = world(74);
    let (account, admin) = (account(&world), world.admin.clone());
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
    let role = [("RoleName", "open"), ("AssumeRolePolicyDocument", trust)];
    world.ok(&admin, "CreateRole", &role);
    let role_arn = format!("arn:aws:iam::{}:role/open", world.digits);
    let assume = [("RoleArn", role_arn.as_str()), ("RoleSessionName", "s1")];
    let session = Key::of(&world.ok(&admin, "AssumeRole", &assume));
    let made = [("UserName", "admin"), ("ServiceName", "domesday")];
    let made = world.ok(&admin, "CreateServiceSpecificCredential", &made);
    let bearer = made["ServiceSpecificCredential"]["ServiceCredentialSecret"].as_str().unwrap();
    let bearer = || authenticate::bearer(&world.service.now(), &secret(bearer), arrival(&world));
    // A stranger's account, whose administrator may take on the role.
    let other = Founding {
        root_email: Some("other@acme.example".into()),
        admin: Some("admin".into()),
        ..Founding::default()
    };
    let stranger = world.service.found(other, "test").unwrap();
    let stranger = Key::long_term(&stranger.admin.unwrap().1);
    world.ok(&stranger, "AssumeRole", &assume);
    assert!(bearer().is_ok());

    // Whoever was believed a moment before is refused inside the writer.
    let queued = world.caller(&admin).unwrap();
    let close = |password: &str| {
        code(wait(world.service.close_account(root_caller(&world), secret(password))))
    };
    assert_eq!(close("Wrong-Horse-8"), "AccessDenied");
    assert_eq!(close(PASSWORD), "fine");
    let mut form = domesday::base::form_tree::Form::default();
    form.insert("UserName", "late".to_owned()).unwrap();
    let call = domesday::service::Call {
        api: domesday::service::operation::Api::Iam,
        operation: "CreateUser".into(),
        form,
        caller: queued,
        moment: None,
        region: "us-east-1".into(),
    };
    assert_eq!(code(world.service.execute_blocking(call)), "InvalidClientTokenId");
    let root_key = Key::long_term("AKIAROOTROOTROOTROOT");
    for key in [&admin, &session, &root_key] {
        world.refused(key, "GetCallerIdentity", &[], "InvalidClientTokenId");
    }
    assert!(bearer().is_err());
    world.refused(&stranger, "AssumeRole", &assume, "AccessDenied");
    assert_eq!(close(PASSWORD), "AccessDenied");
    assert_eq!(set_password(&world, PASSWORD, "Battery-Staple-9"), "AccessDenied");

    // The operator reads its history, and changes nothing but that it is closed.
    let operator = world.service.operator("0@host", account).unwrap();
    let events = Question::parse("events", &[]).unwrap();
    assert!(audit::run(&world.service, &operator, events, None).is_ok());
    let act = |name: &str| code(audit::act(&world.service, &operator, name, json!({})));
    for name in ["recover-admin", "recover-root", "account-close", "organization-set"] {
        assert_eq!(act(name), "AccessDenied", "{name}");
    }
    // While it is closed nobody can do anything, whichever way one asks; before and afterwards they could.
    let may = || {
        let asked = [("action", "iam:ListUsers"), ("resource", "*")];
        let ask = |name: &str, more: &[(&str, &str)]| {
            let given = asked.iter().chain(more).map(|(k, v)| ((*k).into(), (*v).into()));
            let question = Question::parse(name, &given.collect::<Vec<_>>()).unwrap();
            audit::run(&world.service, &operator, question, None).unwrap()
        };
        let could = |who: &str| ask("can", &[("principal", who)])["decision"] == "allowed";
        let everybody = ask("who-can", &[])["principals"].as_array().unwrap().len();
        let of_admin = ask("access", &[("principal", "admin")]);
        let last = of_admin["intervals"].as_array().unwrap().last().unwrap()["to"].is_null();
        (could("admin"), could("root"), everybody > 0, last)
    };
    assert_eq!(may(), (false, false, false, false));
    world.clock.advance(89 * 86_400);
    assert_eq!(act("account-reopen"), "fine");
    assert_eq!(may(), (true, true, true, true));
    assert_eq!(act("account-reopen"), "InvalidInput");
    world.ok(&admin, "GetCallerIdentity", &[]);
    world.ok(&stranger, "AssumeRole", &assume);
    assert!(bearer().is_ok());

    assert_eq!(act("account-close"), "fine");
    world.refused(&admin, "GetCallerIdentity", &[], "InvalidClientTokenId");
    world.clock.advance(90 * 86_400);
    assert_eq!(act("account-reopen"), "InvalidInput");
    verify::verify(&world.service).unwrap();
}

#[test]
fn every_use_of_the_root_user_is_told() {
    let world = world(75);
    let root_key = Key::long_term("AKIAROOTROOTROOTROOT");
    let usage = || {
        receipts(&world);
        let now = world.service.now();
        let directory = Directory::new(&now, account(&world));
        root::usage(&world.service, directory, world.service.clock().now()).unwrap()
    };
    let before = usage();
    assert_eq!((&before.last_request, &before.last_sign_in, before.active_keys), (&None, &None, 1));
    world.ok(&root_key, "ListUsers", &[]);
    let asked = world.service.clock().now();
    let at = asked.plus_seconds(5);
    let last = LastUsed { at, service: SIGN_IN.into(), region: String::new() };
    let key = principal_key(account(&world), &UniqueId::root());
    world.service.activity().note_used(vec![Use::of(key, last.clone())]).unwrap();
    world.clock.advance(10);
    let after = usage();
    assert_eq!(after.last_request.map(|last| (last.at, last.service)), Some((asked, "iam".into())));
    assert_eq!(after.last_sign_in, Some(last));
    // What root is told of itself; and of another account's root nothing is known by it.
    let shown = world.ok(&root_key, "GetUser", &[]);
    assert_eq!(shown["User"]["PasswordLastUsed"], at.to_string());
    let other = Founding { root_email: Some("other@acme.example".into()), ..Founding::default() };
    let other = world.service.found(other, "test").unwrap().digits;
    let now = world.service.now();
    let other = now.get(AccountId::SYSTEM, &ACCOUNTS, &other).unwrap().unwrap();
    let until = world.service.clock().now();
    let of_other = root::usage(&world.service, Directory::new(&now, other), until).unwrap();
    assert_eq!((of_other.last_request, of_other.last_sign_in), (None, None));
    let status = [("AccessKeyId", root_key.id.as_str()), ("Status", "Inactive")];
    world.ok(&root_key, "UpdateAccessKey", &status);
    assert_eq!(usage().active_keys, 0);
}
