//! Passwords of users: the account's rules for them, changing one's own, and showing one.

use domesday::base::secret::Secret;
use domesday::base::time::Timestamp;
use domesday::identity::id::UniqueId;
use domesday::ledger::AccountId;
use domesday::projection::directory::Directory;
use domesday::projection::tables::ACCOUNTS;
use domesday::projection::view::ReadTables;
use domesday::service::audit::verify;
use domesday::service::founding::Founding;
use domesday::service::password;
use domesday::service::password_policy::{self, Standing};

use super::world::{Key, World};

fn account(world: &World, digits: &str) -> AccountId {
    let found = world.service.now().get(AccountId::SYSTEM, &ACCOUNTS, &digits.to_owned());
    found.unwrap().unwrap()
}

fn id_of(world: &World, user: &str) -> UniqueId {
    let shown = world.ok(&world.admin, "GetUser", &[("UserName", user)]);
    UniqueId::parse(shown["User"]["UserId"].as_str().unwrap()).unwrap()
}

fn rules(world: &World, rules: &[(&str, &str)]) {
    world.ok(&world.admin, "UpdateAccountPasswordPolicy", rules);
}

fn secrets(world: &World) -> u64 {
    verify::verify(&world.service).unwrap()["secrets"].as_u64().unwrap()
}

fn change(world: &World, key: &Key, old: &str, new: &str) -> Result<(), &'static str> {
    let passwords = [("OldPassword", old), ("NewPassword", new)];
    world.ask(key, "ChangePassword", &passwords, None).map(|_| ()).map_err(|fault| fault.code)
}

#[test]
fn the_last_passwords_cannot_be_used_again_and_their_hashes_go_in_time() {
    let world = World::new(61);
    world.user("alice");
    let of = ("UserName", "alice");
    let before = secrets(&world);
    let password = |number: usize| format!("Password-{number}");
    let set = |number: usize| {
        let parameters = [of, ("Password", &password(number))];
        world.ask(&world.admin, "UpdateLoginProfile", &parameters, None)
    };
    world.ok(&world.admin, "CreateLoginProfile", &[of, ("Password", &password(0))]);
    // Without a rule, the same again is no violation; with one, nor is what is longer ago.
    for number in [1, 0, 0, 1, 2, 3] {
        set(number).unwrap();
    }
    rules(&world, &[("PasswordReusePrevention", "3")]);
    for used in [3, 2, 1] {
        let fault = set(used).unwrap_err();
        assert_eq!(fault.code, "PasswordPolicyViolation", "{used}: {fault}");
        assert!(fault.message.contains("reuse prevention"), "{fault}");
    }
    set(0).unwrap();
    assert!(set(0).is_err() && set(3).is_err() && set(2).is_err());
    set(1).unwrap();
    // Of however many there were, as many are kept as a rule could ask for.
    for number in 4..34 {
        set(number).unwrap();
    }
    rules(&world, &[("PasswordReusePrevention", "24")]);
    assert_eq!(secrets(&world) - before, 24);
    assert!(set(10).is_err() && set(33).is_err());
    set(9).unwrap();
    world.ok(&world.admin, "DeleteLoginProfile", &[of]);
    assert_eq!(secrets(&world), before);
    // A new profile remembers nothing of the old.
    world.ok(&world.admin, "CreateLoginProfile", &[of, ("Password", &password(9))]);
}

#[test]
fn whoever_may_change_its_own_password_must_show_the_old_one() {
    let world = World::new(62);
    let alice = world.user("alice");
    let of = ("UserName", "alice");
    let passwords = [("OldPassword", "Old-password-1"), ("NewPassword", "New-password-2")];
    world.refused(&alice, "ChangePassword", &passwords, "AccessDenied");
    rules(&world, &[("AllowUsersToChangePassword", "true")]);
    world.refused(&alice, "ChangePassword", &passwords, "NoSuchEntity");
    world.ok(&world.admin, "CreateLoginProfile", &[of, ("Password", "Old-password-1")]);
    assert_eq!(change(&world, &alice, "old-password-1", "New-password-2"), Err("AccessDenied"));
    assert_eq!(change(&world, &alice, "Old-password-1", "short"), Err("PasswordPolicyViolation"));
    let same = change(&world, &alice, "Old-password-1", "Old-password-1");
    assert_eq!(same, Err("PasswordPolicyViolation"));
    assert_eq!(change(&world, &alice, "Old-password-1", "New-password-2"), Ok(()));
    // The rules let everybody see them, and nothing else; what denies, denies.
    world.ok(&alice, "GetAccountPasswordPolicy", &[]);
    world.refused(&alice, "GetLoginProfile", &[], "AccessDenied");
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:ChangePassword","Resource":"*"}]}"#;
    let put = [of, ("PolicyName", "no"), ("PolicyDocument", deny)];
    world.ok(&world.admin, "PutUserPolicy", &put);
    assert_eq!(change(&world, &alice, "New-password-2", "New-password-3"), Err("AccessDenied"));
    world.ok(&world.admin, "DeleteUserPolicy", &put[..2]);

    // Who must reset it may, whatever the rules; then it is as before.
    world.ok(&world.admin, "DeleteAccountPasswordPolicy", &[]);
    world.refused(&world.admin, "DeleteAccountPasswordPolicy", &[], "NoSuchEntity");
    assert_eq!(change(&world, &alice, "New-password-2", "New-password-3"), Err("AccessDenied"));
    world.ok(&world.admin, "UpdateLoginProfile", &[of, ("PasswordResetRequired", "true")]);
    assert_eq!(change(&world, &alice, "New-password-2", "New-password-3"), Ok(()));
    let profile = world.ok(&world.admin, "GetLoginProfile", &[of]);
    assert_eq!(profile["LoginProfile"]["PasswordResetRequired"], false);
    assert_eq!(change(&world, &alice, "New-password-3", "New-password-4"), Err("AccessDenied"));

    // Wrong once too often; a little later the right one is heard again.
    world.allow("alice", "iam:ChangePassword", "*");
    for _ in 0..5 {
        assert_eq!(
            change(&world, &alice, "wrong-Password-0", "New-password-4"),
            Err("AccessDenied")
        );
    }
    assert_eq!(change(&world, &alice, "New-password-3", "New-password-4"), Err("LimitExceeded"));
    world.clock.advance(30);
    assert_eq!(change(&world, &alice, "New-password-3", "New-password-4"), Ok(()));
    assert_eq!(change(&world, &alice, "New-password-4", "New-password-5"), Ok(()));
}

#[test]
fn only_users_have_a_password_to_change() {
    let world = World::new(63);
    let founding = Founding {
        root_email: Some("other@example.com".into()),
        root_key: Some(("AKIAROOTROOTROOTROOT".into(), Secret::new("r".repeat(40)))),
        root_password: Some(Secret::new("the-root-Password-1".into())),
        admin: Some("admin".into()),
        ..Founding::default()
    };
    let other = world.service.found(founding, "test").unwrap();
    let root = Key::long_term("AKIAROOTROOTROOTROOT");
    assert_eq!(
        change(&world, &root, "the-root-Password-1", "New-password-2"),
        Err("InvalidUserType")
    );
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":"sts:AssumeRole"}}]}}"#,
        world.digits
    );
    let made = [("RoleName", "r"), ("AssumeRolePolicyDocument", trust.as_str())];
    let made = world.ok(&world.admin, "CreateRole", &made);
    let arn = made["Role"]["Arn"].as_str().unwrap();
    let session =
        world.ok(&world.admin, "AssumeRole", &[("RoleArn", arn), ("RoleSessionName", "s1")]);
    let session = Key::of(&session);
    assert_eq!(
        change(&world, &session, "Old-password-1", "New-password-2"),
        Err("InvalidUserType")
    );

    // Who shows a password is told whether it is the one, whoever it is about.
    let now = world.service.now();
    let shown = |digits: &str, owner: &UniqueId, password: &str| {
        let password = Secret::new(password.to_owned());
        password::verify(&now, account(&world, digits), owner, &password).unwrap()
    };
    let (own, root) = (world.digits.as_str(), UniqueId::root());
    assert!(shown(&other.digits, &root, "the-root-Password-1"));
    assert!(!shown(&other.digits, &root, "the-root-Password-2"));
    assert!(!shown(own, &root, "the-root-Password-1"));
    assert!(!shown(own, &UniqueId::parse("AIDANOBODY").unwrap(), "nobody's password"));
    let admin = id_of(&world, "admin");
    assert!(!shown(own, &admin, "Admin-password-1"));
    let login = [("UserName", "admin"), ("Password", "Admin-password-1")];
    world.ok(&world.admin, "CreateLoginProfile", &login);
    let now = world.service.now();
    let shown = |password: &str| {
        let password = Secret::new(password.to_owned());
        password::verify(&now, account(&world, own), &admin, &password).unwrap()
    };
    assert!(shown("Admin-password-1"));
    assert!(!shown("admin-password-1") && !shown("") && !shown(&"x".repeat(10_000)));
}

#[test]
fn a_password_stands_as_rules_and_days_have_it() {
    let world = World::new(64);
    world.user("alice");
    let of = ("UserName", "alice");
    let (account, alice) = (account(&world, &world.digits), id_of(&world, "alice"));
    let stands = |days: u64| {
        let now = world.service.now();
        let set = Timestamp::parse("2026-01-01").unwrap();
        let at = set.plus_seconds(i64::try_from(days).unwrap() * 86_400 + 3_600);
        password_policy::standing_of(Directory::new(&now, account), &alice, at).unwrap()
    };
    assert_eq!(stands(0), None);
    world.ok(&world.admin, "CreateLoginProfile", &[of, ("Password", "Old-password-1")]);
    assert_eq!(stands(1_000), Some(Standing::Good));
    rules(&world, &[("MaxPasswordAge", "90")]);
    let policy = world.ok(&world.admin, "GetAccountPasswordPolicy", &[]);
    let policy = &policy["PasswordPolicy"];
    assert_eq!((&policy["ExpirePasswords"], &policy["MaxPasswordAge"]), (&true.into(), &90.into()));
    assert_eq!(stands(89), Some(Standing::Good));
    assert_eq!(stands(90), Some(Standing::Expired));
    rules(&world, &[("MaxPasswordAge", "90"), ("HardExpiry", "true")]);
    assert_eq!(stands(90), Some(Standing::ExpiredHard));
    // Rules that are not repeated are gone.
    rules(&world, &[("HardExpiry", "true")]);
    assert_eq!(stands(90), Some(Standing::Good));
    world.ok(&world.admin, "UpdateLoginProfile", &[of, ("PasswordResetRequired", "true")]);
    assert_eq!(stands(90), Some(Standing::ResetRequired));
}
