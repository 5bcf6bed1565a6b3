//! Second factors: virtual devices, their codes, and what sessions that were begun with one may do.

use std::sync::Arc;

use domesday::base::clock::{Clock, SimulatedClock};
use domesday::base::random::SeededRandom;
use domesday::base::secret::Secret;
use domesday::base::time::Timestamp;
use domesday::identity::id::UniqueId;
use domesday::service::activity::receipt::{Kind, Receipt};
use domesday::service::audit::{show, verify};
use domesday::service::authenticate::Arrival;
use domesday::service::founding::{Founding, Place, open};
use domesday::service::mfa::{self, NotAccepted};
use serde_json::Value;

use super::world::{Authenticator, Key, World};

fn device(world: &World, name: &str) -> Authenticator {
    Authenticator::of(&world.ok(
        &world.admin,
        "CreateVirtualMFADevice",
        &[("VirtualMFADeviceName", name)],
    ))
}

/// Asks with two codes, as if a second passed between reading and asking.
fn ask_with_pair(
    world: &World,
    key: &Key,
    operation: &str,
    (user, device): (&str, &Authenticator),
    [first, second]: [String; 2],
) -> Result<Value, &'static str> {
    let parameters = [
        ("UserName", user),
        ("SerialNumber", &device.serial),
        ("AuthenticationCode1", &first),
        ("AuthenticationCode2", &second),
    ];
    world.ask(key, operation, &parameters, None).map_err(|fault| fault.code)
}

fn enable(
    world: &World,
    key: &Key,
    user: &str,
    device: &Authenticator,
) -> Result<Value, &'static str> {
    let pair = device.pair(world.clock.now());
    ask_with_pair(world, key, "EnableMFADevice", (user, device), pair)
}

/// Gives a user a device.
pub fn give(world: &World, user: &str) {
    enable(world, &world.admin, user, &device(world, user)).unwrap();
}

/// Asks for a session with a code; `Err` is the sentence of the refusal.
fn token(world: &World, key: &Key, serial: &str, code: &str) -> Result<Key, String> {
    let factor = [("SerialNumber", serial), ("TokenCode", code)];
    match world.ask(key, "GetSessionToken", &factor, None) {
        Ok(answer) => Ok(Key::of(&answer)),
        Err(fault) => {
            assert_eq!(fault.code, "AccessDenied", "{fault}");
            Err(fault.message)
        }
    }
}

const WRONG: &str = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
const NO_DEVICE: &str = "MultiFactorAuthentication failed, unable to validate MFA code.  Please \
                         verify your MFA serial number is valid and associated with this user.";

#[test]
fn a_device_is_enabled_by_two_codes_in_a_row() {
    let world = World::new(71);
    world.user("alice");
    let phone = device(&world, "phone");
    let admin = &world.admin;
    let now = || world.clock.now();
    let try_pair = |pair: [i64; 2]| {
        let codes = pair.map(|later| phone.code(now(), later));
        ask_with_pair(&world, admin, "EnableMFADevice", ("alice", &phone), codes)
    };
    for wrong in [[0, 0], [0, -1], [-2, 0], [100, 101]] {
        assert_eq!(try_pair(wrong), Err("InvalidAuthenticationCode"), "{wrong:?}");
    }
    assert!(try_pair([-1, 0]).is_ok());
    assert_eq!(try_pair([-1, 0]), Err("EntityAlreadyExists"));
    let bob = ask_with_pair(&world, admin, "EnableMFADevice", ("bob", &phone), phone.pair(now()));
    assert_eq!(bob, Err("NoSuchEntity"));

    // A user with a device stays; a device that is somebody's stays.
    let serial = ("SerialNumber", phone.serial.as_str());
    let alice = ("UserName", "alice");
    let keys = world.ok(admin, "ListAccessKeys", &[alice]);
    let key = keys["AccessKeyMetadata"][0]["AccessKeyId"].as_str().unwrap();
    world.ok(admin, "DeleteAccessKey", &[alice, ("AccessKeyId", key)]);
    let message = world.refused(admin, "DeleteUser", &[alice], "DeleteConflict");
    assert!(message.contains("MFA device"), "{message}");
    world.refused(admin, "DeleteVirtualMFADevice", &[serial], "DeleteConflict");
    let summary = world.ok(admin, "GetAccountSummary", &[]);
    let summary = &summary["SummaryMap"];
    assert_eq!((&summary["MFADevices"], &summary["MFADevicesInUse"]), (&1.into(), &1.into()));
    assert_eq!(summary["AccountMFAEnabled"], 0);
    world.refused(admin, "DeactivateMFADevice", &[serial], "NoSuchEntity");
    world.ok(admin, "DeactivateMFADevice", &[alice, serial]);
    // The codes that were good once are not again, for whoever gets the device next.
    assert_eq!(try_pair([-1, 0]), Err("InvalidAuthenticationCode"));
    world.clock.advance(90);
    assert!(try_pair([-1, 0]).is_ok());
    world.ok(admin, "DeactivateMFADevice", &[alice, serial]);
    let secrets = verify::verify(&world.service).unwrap()["secrets"].as_u64().unwrap();
    world.ok(admin, "DeleteVirtualMFADevice", &[serial]);
    assert_eq!(verify::verify(&world.service).unwrap()["secrets"], secrets - 1);
    world.refused(admin, "DeleteVirtualMFADevice", &[serial], "NoSuchEntity");
    world.ok(admin, "DeleteUser", &[alice]);
    let summary = world.ok(admin, "GetAccountSummary", &[]);
    let summary = &summary["SummaryMap"];
    assert_eq!((&summary["MFADevices"], &summary["MFADevicesInUse"]), (&0.into(), &0.into()));
}

#[test]
fn a_code_is_good_once_in_its_window() {
    let world = World::new(72);
    let alice = world.user("alice");
    world.allow("alice", "iam:ListUsers", "*");
    let (phone, other) = (device(&world, "phone"), device(&world, "other"));
    enable(&world, &world.admin, "alice", &phone).unwrap();
    let now = || world.clock.now();
    let with = |code: String| token(&world, &alice, &phone.serial, &code);
    // What enabled it is used up; the next one is good, and once.
    assert_eq!(with(phone.code(now(), 0)).unwrap_err(), WRONG);
    let session = with(phone.code(now(), 1)).unwrap();
    assert_eq!(with(phone.code(now(), 1)).unwrap_err(), WRONG);
    assert_eq!(with(phone.code(now(), 0)).unwrap_err(), WRONG);
    world.ok(&session, "ListUsers", &[]);
    // Two steps off is too far, whichever way.
    world.clock.advance(300);
    assert_eq!(with(phone.code(now(), -2)).unwrap_err(), WRONG);
    assert_eq!(with(phone.code(now(), 2)).unwrap_err(), WRONG);
    with(phone.code(now(), -1)).unwrap();
    with(phone.code(now(), 0)).unwrap();
    // Both or neither; of this user.
    let alone = [("SerialNumber", phone.serial.as_str())];
    let message = world.refused(&alice, "GetSessionToken", &alone, "AccessDenied");
    assert!(message.ends_with("must provide both MFA serial number and one time pass code."));
    let code = phone.code(now(), 1);
    assert_eq!(token(&world, &alice, &other.serial, &code).unwrap_err(), NO_DEVICE);
    assert_eq!(token(&world, &world.admin, &phone.serial, &code).unwrap_err(), NO_DEVICE);
    let arn = format!("arn:aws:iam::{}:user/alice", world.digits);
    assert_eq!(token(&world, &alice, &arn, &code).unwrap_err(), NO_DEVICE);
    with(code).unwrap();

    // Every wrong code left its receipt, though nobody asks for permission to get a session.
    world.service.close();
    let is_wrong = |receipt: &Receipt| {
        let is_refused = receipt.kind == Kind::Refused && receipt.action == "sts:GetSessionToken";
        is_refused && receipt.blocked_by.as_deref() == Some(WRONG)
    };
    let wrong = world.receipts().iter().filter(|(_, receipt)| is_wrong(receipt)).count();
    assert_eq!(wrong, 5);
}

#[test]
fn of_two_who_show_one_code_at_once_one_gets_in() {
    let world = World::new(73);
    let alice = world.user("alice");
    let phone = device(&world, "phone");
    enable(&world, &world.admin, "alice", &phone).unwrap();
    for round in 0..4 {
        world.clock.advance(60);
        let code = phone.code(world.clock.now(), 0);
        let accepted = std::thread::scope(|scope| {
            let ask = || scope.spawn(|| token(&world, &alice, &phone.serial, &code).is_ok());
            let asking: Vec<_> = (0..4).map(|_| ask()).collect();
            asking
                .into_iter()
                .filter(|_| true)
                .map(|one| usize::from(one.join().unwrap()))
                .sum::<usize>()
        });
        assert_eq!(accepted, 1, "{round}");
    }
}

#[test]
fn wrong_codes_make_a_device_wait_and_no_other() {
    let world = World::new(74);
    let alice = world.user("alice");
    let (phone, tablet) = (device(&world, "phone"), device(&world, "tablet"));
    enable(&world, &world.admin, "alice", &phone).unwrap();
    enable(&world, &world.admin, "alice", &tablet).unwrap();
    world.clock.advance(60);
    let now = || world.clock.now();
    for _ in 0..5 {
        let wrong = phone.code(now(), 500);
        assert_eq!(token(&world, &alice, &phone.serial, &wrong).unwrap_err(), WRONG);
    }
    let message = token(&world, &alice, &phone.serial, &phone.code(now(), 0)).unwrap_err();
    assert!(message.contains("try again in"), "{message}");
    token(&world, &alice, &tablet.serial, &tablet.code(now(), 0)).unwrap();
    world.clock.advance(60);
    token(&world, &alice, &phone.serial, &phone.code(now(), 0)).unwrap();

    // Without a serial number, any device of the user will do.
    world.clock.advance(60);
    let (view, at) = (world.service.now(), world.clock.now());
    let caller = world.caller(&alice).unwrap();
    let owner = caller.principal_id();
    let check =
        |code: &str| mfa::check(&world.service, &view, (caller.account, &owner), None, code, at);
    let accepted = check(&tablet.code(at, 0)).unwrap();
    assert!(matches!(check(&tablet.code(at, 0)), Err(NotAccepted::Wrong)));
    world.service.activity().spend(&accepted).unwrap();
    assert!(check(&phone.code(at, 0)).is_ok());
    let nobody = UniqueId::parse("AIDANOBODY").unwrap();
    let whose = (caller.account, &nobody);
    let refused = mfa::check(&world.service, &view, whose, None, "123456", at);
    assert!(matches!(refused, Err(NotAccepted::NoDevice)));
}

#[test]
fn a_code_that_was_used_is_used_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path().join("data").to_str().unwrap(), None);
    let world = World::at(75, &place);
    let alice = world.user("alice");
    let phone = device(&world, "phone");
    enable(&world, &world.admin, "alice", &phone).unwrap();
    world.clock.advance(60);
    let code = phone.code(world.clock.now(), 1);
    token(&world, &alice, &phone.serial, &code).unwrap();
    let (digits, admin, now) = (world.digits.clone(), world.admin.clone(), world.clock.now());
    drop(world);
    let clock = Arc::new(SimulatedClock::new(now));
    let random = Arc::new(SeededRandom::new(76));
    let service = open(&place, clock.clone(), random, Box::new(|error| panic!("{error}"))).unwrap();
    let world = World { service, clock, digits, admin, replays: true };
    assert_eq!(token(&world, &alice, &phone.serial, &code).unwrap_err(), WRONG);
    world.clock.advance(30);
    token(&world, &alice, &phone.serial, &phone.code(world.clock.now(), 1)).unwrap();
}

#[test]
fn a_clock_that_is_off_is_found_out() {
    let world = World::new(77);
    let alice = world.user("alice");
    let phone = device(&world, "phone");
    enable(&world, &world.admin, "alice", &phone).unwrap();
    world.clock.advance(3_600);
    // Ten minutes fast.
    let fast = |later: i64| phone.code(world.clock.now(), 20 + later);
    assert_eq!(token(&world, &alice, &phone.serial, &fast(0)).unwrap_err(), WRONG);
    let resync = |codes: [String; 2]| {
        ask_with_pair(&world, &world.admin, "ResyncMFADevice", ("alice", &phone), codes)
    };
    assert_eq!(resync([fast(-1), fast(-1)]), Err("InvalidAuthenticationCode"));
    let hours = [phone.code(world.clock.now(), 200), phone.code(world.clock.now(), 201)];
    assert_eq!(resync(hours), Err("InvalidAuthenticationCode"));
    resync([fast(-1), fast(0)]).unwrap();
    // The codes that told it are used up.
    assert_eq!(resync([fast(-1), fast(0)]), Err("InvalidAuthenticationCode"));
    assert_eq!(token(&world, &alice, &phone.serial, &fast(0)).unwrap_err(), WRONG);
    world.clock.advance(30);
    token(&world, &alice, &phone.serial, &fast(0)).unwrap();
    let right = phone.code(world.clock.now(), 0);
    assert_eq!(token(&world, &alice, &phone.serial, &right).unwrap_err(), WRONG);
    let other = device(&world, "other");
    let stranger = ask_with_pair(
        &world,
        &world.admin,
        "ResyncMFADevice",
        ("alice", &other),
        other.pair(world.clock.now()),
    );
    assert_eq!(stranger, Err("NoSuchEntity"));
}

#[test]
fn policies_see_the_factor_and_its_age() {
    let world = World::new(78);
    let alice = world.user("alice");
    let of = ("UserName", "alice");
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"900"}}},{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;
    let put = [of, ("PolicyName", "p"), ("PolicyDocument", document)];
    world.ok(&world.admin, "PutUserPolicy", &put);
    let phone = device(&world, "phone");
    enable(&world, &world.admin, "alice", &phone).unwrap();
    world.clock.advance(60);
    let code = |later| phone.code(world.clock.now(), later);
    world.refused(&alice, "ListUsers", &[], "AccessDenied");
    let plain = Key::of(&world.ok(&alice, "GetSessionToken", &[]));
    world.refused(&plain, "ListUsers", &[], "AccessDenied");
    let session = token(&world, &alice, &phone.serial, &code(0)).unwrap();
    world.ok(&session, "ListUsers", &[]);
    world.clock.advance(900);
    world.refused(&session, "ListUsers", &[], "AccessDenied");

    // A role that wants the factor: with the call, or from the session; its own session has none.
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:user/alice"}},"Action":"sts:AssumeRole","Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"true"}}}}}}]}}"#,
        world.digits
    );
    let make = [("RoleName", "r"), ("AssumeRolePolicyDocument", trust.as_str())];
    let role = world.ok(&world.admin, "CreateRole", &make);
    let role = ("RoleArn", role["Role"]["Arn"].as_str().unwrap());
    let named = ("RoleSessionName", "s1");
    let document = document.replace(r#","NumericLessThan":{"aws:MultiFactorAuthAge":"900"}"#, "");
    let put = [("RoleName", "r"), ("PolicyName", "p"), ("PolicyDocument", document.as_str())];
    world.ok(&world.admin, "PutRolePolicy", &put);
    world.refused(&alice, "AssumeRole", &[role, named], "AccessDenied");
    world.refused(&plain, "AssumeRole", &[role, named], "AccessDenied");
    let serial = ("SerialNumber", phone.serial.as_str());
    let wrong = code(300);
    let ask = [role, named, serial, ("TokenCode", wrong.as_str())];
    assert_eq!(world.refused(&alice, "AssumeRole", &ask, "AccessDenied"), WRONG);
    let right = code(0);
    let ask = [role, named, serial, ("TokenCode", right.as_str())];
    let in_role = Key::of(&world.ok(&alice, "AssumeRole", &ask));
    world.refused(&in_role, "ListUsers", &[], "AccessDenied");
    world.ok(&session, "AssumeRole", &[role, named]);

    // A code is used up even where it helps nothing, and is no way to ask whether a role exists.
    let right = code(1);
    let elsewhere = format!("arn:aws:iam::{}:role/missing", world.digits);
    let ask = [("RoleArn", &*elsewhere), named, serial, ("TokenCode", right.as_str())];
    let message = world.refused(&alice, "AssumeRole", &ask, "AccessDenied");
    assert!(message.contains("no role trust policy allows"), "{message}");
    assert_eq!(world.refused(&alice, "AssumeRole", &ask, "AccessDenied"), WRONG);
    // A role has no device.
    let ask = [role, named, serial, ("TokenCode", right.as_str())];
    assert_eq!(world.refused(&in_role, "AssumeRole", &ask, "AccessDenied"), NO_DEVICE);

    // What was refused for want of the factor says so.
    world.service.close();
    let mut refused = world.receipts();
    refused.retain(|(_, receipt)| receipt.kind == Kind::Refused);
    assert!(refused.is_empty(), "a role that denies without a factor is a denial: {refused:?}");
}

#[test]
fn whoever_has_a_factor_shows_it_to_change_its_own() {
    let world = World::new(79);
    let alice = world.user("alice");
    world.allow("alice", "iam:*", "*");
    let (phone, tablet) = (device(&world, "phone"), device(&world, "tablet"));
    // The first one needs none.
    enable(&world, &alice, "alice", &phone).unwrap();
    assert_eq!(enable(&world, &alice, "alice", &tablet), Err("AccessDenied"));
    let serial = ("SerialNumber", phone.serial.as_str());
    let message = world.refused(&alice, "DeactivateMFADevice", &[serial], "AccessDenied");
    assert!(message.starts_with("To complete this action"), "{message}");
    world.clock.advance(60);
    let code = phone.code(world.clock.now(), 0);
    let session = token(&world, &alice, &phone.serial, &code).unwrap();
    enable(&world, &session, "alice", &tablet).unwrap();
    world.ok(&session, "DeactivateMFADevice", &[serial]);
    // An administrator does it for others, up to eight each.
    for number in 0..7 {
        enable(&world, &world.admin, "alice", &device(&world, &format!("d{number}"))).unwrap();
    }
    assert_eq!(enable(&world, &world.admin, "alice", &phone), Err("LimitExceeded"));
    let page =
        world.ok(&world.admin, "ListMFADevices", &[("UserName", "alice"), ("MaxItems", "5")]);
    assert_eq!(page["MFADevices"].as_array().unwrap().len(), 5);
    let rest = [("UserName", "alice"), ("Marker", page["Marker"].as_str().unwrap())];
    let rest = world.ok(&world.admin, "ListMFADevices", &rest);
    assert_eq!(rest["MFADevices"].as_array().unwrap().len(), 3);
    let unassigned = [("AssignmentStatus", "Unassigned")];
    let listed = world.ok(&world.admin, "ListVirtualMFADevices", &unassigned);
    assert_eq!(listed["VirtualMFADevices"].as_array().unwrap().len(), 1);
    assert_eq!(listed["VirtualMFADevices"][0]["SerialNumber"], phone.serial.as_str());
    assert!(listed["VirtualMFADevices"][0]["Base32StringSeed"].is_null());
}

#[test]
fn the_root_user_has_devices_of_its_own_and_the_operator_takes_them_away() {
    let world = World::new(80);
    let founding = Founding {
        root_email: Some("other@example.com".into()),
        root_key: Some(("AKIAROOTROOTROOTROOT".into(), Secret::new("r".repeat(40)))),
        admin: Some("admin".into()),
        ..Founding::default()
    };
    let other = world.service.found(founding, "test").unwrap();
    let (root, admin) = (Key::long_term("AKIAROOTROOTROOTROOT"), other.admin.unwrap().1);
    let admin = Key::long_term(&admin);
    let name = [("VirtualMFADeviceName", "root-account-mfa-device")];
    let phone = Authenticator::of(&world.ok(&root, "CreateVirtualMFADevice", &name));
    assert_eq!(enable(&world, &admin, "root", &phone), Err("NoSuchEntity"));
    enable(&world, &root, "root", &phone).unwrap();
    let summary = world.ok(&root, "GetAccountSummary", &[]);
    assert_eq!(summary["SummaryMap"]["AccountMFAEnabled"], 1);
    let listed = world.ok(&root, "ListMFADevices", &[]);
    assert_eq!(listed["MFADevices"][0]["SerialNumber"], phone.serial.as_str());
    let assigned = [("AssignmentStatus", "Assigned")];
    let listed = world.ok(&admin, "ListVirtualMFADevices", &assigned);
    let user = &listed["VirtualMFADevices"][0]["User"];
    assert_eq!(user["Arn"], format!("arn:aws:iam::{}:root", other.digits));
    // Nobody else takes it away, nor the root user itself without showing it.
    let serial = ("SerialNumber", phone.serial.as_str());
    world.refused(&admin, "DeactivateMFADevice", &[("UserName", "root"), serial], "NoSuchEntity");
    world.refused(&root, "DeactivateMFADevice", &[serial], "AccessDenied");
    world.clock.advance(60);
    let session = token(&world, &root, &phone.serial, &phone.code(world.clock.now(), 0)).unwrap();
    world.ok(&session, "ListUsers", &[]);
    // Whoever makes a user of that name gets nothing of it.
    world.ok(&admin, "CreateUser", &[("UserName", "root")]);
    world.ok(&session, "DeactivateMFADevice", &[("UserName", "root"), serial]);
    world.clock.advance(60);
    enable(&world, &root, "root", &phone).unwrap();
    let listed = world.ok(&admin, "ListMFADevices", &[("UserName", "root")]);
    assert!(listed["MFADevices"].as_array().unwrap().is_empty(), "{listed}");
    let account = world.caller(&root).unwrap().account;
    let recovery = world.service.issue_root_recovery(account, "test").unwrap();
    let arrival = Arrival { at: world.clock.now(), ..Arrival::default() };
    let new = Secret::new("Battery-Staple-9".to_owned());
    let redeemed = world.service.redeem_root_recovery(arrival, recovery.email, recovery.code, new);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(redeemed).unwrap();
    let listed = world.ok(&root, "ListMFADevices", &[]);
    assert_eq!(listed["MFADevices"].as_array().unwrap().len(), 0);
    // To others the name means the user.
    world.clock.advance(60);
    enable(&world, &admin, "root", &phone).unwrap();
    assert_eq!(world.ok(&root, "ListMFADevices", &[])["MFADevices"].as_array().unwrap().len(), 0);
    let of = [("UserName", "root")];
    assert_eq!(world.ok(&admin, "ListMFADevices", &of)["MFADevices"].as_array().unwrap().len(), 1);
}

#[test]
fn devices_are_shown_as_they_were_and_seeds_nowhere() {
    let world = World::new(81);
    world.user("alice");
    let made = world.ok(
        &world.admin,
        "CreateVirtualMFADevice",
        &[("VirtualMFADeviceName", "phone"), ("Path", "/people/")],
    );
    let seed = made["VirtualMFADevice"]["Base32StringSeed"].as_str().unwrap();
    let phone = Authenticator::of(&made);
    enable(&world, &world.admin, "alice", &phone).unwrap();
    let account = world.caller(&world.admin).unwrap().account;
    let view = world.service.now();
    let shown = |thing: &str| show::show(&world.service, account, &view, thing).unwrap();
    let device = shown(&phone.serial);
    assert_eq!(
        (&device["kind"], &device["owner"]),
        (&"multi-factor device".into(), &"user/alice".into())
    );
    let events = device["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(shown("alice")["mfa_devices"][0], phone.serial.as_str());
    let plain = domesday::base::text::from_base64(seed).unwrap();
    let plain = String::from_utf8(plain).unwrap();
    for event in events {
        let event = shown(&format!("@{event}"));
        let text = event.to_string();
        assert!(!text.contains(seed) && !text.contains(&plain), "{text}");
        assert!(!text.contains("AuthenticationCode"), "{text}");
    }
    let first = shown(&format!("@{}", events[0]));
    assert_eq!(first["target"]["name"], "mfa/phone");
    // Names differ in more than case, and are found to the letter.
    let again = [("VirtualMFADeviceName", "PHONE"), ("Path", "/people/")];
    world.refused(&world.admin, "CreateVirtualMFADevice", &again, "EntityAlreadyExists");
    world.ok(&world.admin, "CreateVirtualMFADevice", &again[..1]);
    let wrong = phone.serial.replace("phone", "PHONE");
    let tag = [("SerialNumber", &*wrong), ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")];
    world.refused(&world.admin, "TagMFADevice", &tag, "NoSuchEntity");
    let long = "x".repeat(300);
    for (name, path) in [(long.as_str(), "/"), ("x", "/a!/")] {
        let parameters = [("VirtualMFADeviceName", name), ("Path", path)];
        world.refused(&world.admin, "CreateVirtualMFADevice", &parameters, "ValidationError");
    }
    let hardware = [
        ("UserName", "alice"),
        ("SerialNumber", "GAHT12345678"),
        ("AuthenticationCode1", "123456"),
        ("AuthenticationCode2", "123456"),
    ];
    let message = world.refused(&world.admin, "EnableMFADevice", &hardware, "NoSuchEntity");
    assert!(message.contains("hardware"), "{message}");
    // Gone, its events are found by its name.
    let of = [("UserName", "alice"), ("SerialNumber", phone.serial.as_str())];
    world.ok(&world.admin, "DeactivateMFADevice", &of);
    world.ok(&world.admin, "DeleteVirtualMFADevice", &of[1..]);
    let gone = show::show(&world.service, account, &world.service.now(), &phone.serial).unwrap();
    assert_eq!(gone["bore_the_name"][0]["events"].as_array().unwrap().len(), 4);
    // Before it was made, it was not there.
    let before = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let moment = world.moment(&before.to_string());
    let listed = world.ask(&world.admin, "ListVirtualMFADevices", &[], moment).unwrap();
    assert_eq!(listed["VirtualMFADevices"].as_array().unwrap().len(), 0);
}
