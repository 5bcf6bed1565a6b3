//! Groups, managed policies and tags, as their callers see them.

use domesday::service::documents::Catalogue;
use serde_json::json;

use super::world::World;

const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}]}"#;
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

#[test]
fn a_managed_policy_lives_through_versions_uses_and_deletion() {
    let world = World::new(11);
    let admin = &world.admin;
    let alice = world.user("alice");
    let of = ("UserName", "alice");
    let made = world.ok(
        admin,
        "CreatePolicy",
        &[
            ("PolicyName", "Readers"),
            ("Path", "/team/"),
            ("Description", "reads"),
            ("PolicyDocument", ALLOW),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", "red"),
        ],
    );
    let arn = made["Policy"]["Arn"].as_str().unwrap().to_owned();
    assert_eq!(arn, format!("arn:aws:iam::{}:policy/team/Readers", world.digits));
    assert_eq!(made["Policy"]["Tags"], json!([{"Key": "team", "Value": "red"}]));
    assert_eq!(made["Policy"]["DefaultVersionId"], "v1");
    let arn = ("PolicyArn", arn.as_str());
    let again = [("PolicyName", "READERS"), ("PolicyDocument", ALLOW)];
    world.refused(admin, "CreatePolicy", &again, "EntityAlreadyExists");
    let big = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::1:user/{}"}}]}}"#,
        "x".repeat(6100)
    );
    let message = world.refused(
        admin,
        "CreatePolicy",
        &[("PolicyName", "Big"), ("PolicyDocument", &big)],
        "LimitExceeded",
    );
    assert_eq!(message, "Cannot exceed quota for PolicySize: 6144");

    // Attached it grants; twice is once; then it is in use.
    world.refused(&alice, "GetUser", &[of], "AccessDenied");
    let head = world.head();
    world.ok(admin, "AttachUserPolicy", &[of, arn]);
    world.ok(admin, "AttachUserPolicy", &[of, arn]);
    assert_eq!(world.head(), head + 1);
    world.ok(&alice, "GetUser", &[of]);
    world.ok(admin, "PutUserPermissionsBoundary", &[of, ("PermissionsBoundary", arn.1)]);
    let policy = world.ok(admin, "GetPolicy", &[arn])["Policy"].take();
    assert_eq!(
        (&policy["AttachmentCount"], &policy["PermissionsBoundaryUsageCount"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(policy["Description"], "reads");
    let listed = world.ok(admin, "ListAttachedUserPolicies", &[of, ("PathPrefix", "/team/")]);
    assert_eq!(listed["AttachedPolicies"], json!([{"PolicyName": "Readers", "PolicyArn": arn.1}]));
    let listed = world.ok(admin, "ListAttachedUserPolicies", &[of, ("PathPrefix", "/other/")]);
    assert_eq!(listed["AttachedPolicies"], json!([]));
    world.refused(admin, "DeletePolicy", &[arn], "DeleteConflict");
    let entities = world.ok(admin, "ListEntitiesForPolicy", &[arn]);
    assert_eq!(entities["PolicyUsers"].as_array().unwrap().len(), 1);
    assert_eq!(
        world.ok(admin, "ListEntitiesForPolicy", &[arn, ("EntityFilter", "Role")])["PolicyUsers"],
        json!([])
    );

    // Five versions, numbers never anew, the default one stays.
    for number in 2..=5 {
        let made = world.ok(admin, "CreatePolicyVersion", &[arn, ("PolicyDocument", ALLOW)]);
        assert_eq!(made["PolicyVersion"]["VersionId"], format!("v{number}"));
    }
    world.refused(admin, "CreatePolicyVersion", &[arn, ("PolicyDocument", ALLOW)], "LimitExceeded");
    world.refused(admin, "DeletePolicyVersion", &[arn, ("VersionId", "v1")], "DeleteConflict");
    world.ok(admin, "SetDefaultPolicyVersion", &[arn, ("VersionId", "v5")]);
    world.ok(admin, "DeletePolicyVersion", &[arn, ("VersionId", "v1")]);
    let made = world.ok(
        admin,
        "CreatePolicyVersion",
        &[arn, ("PolicyDocument", ALLOW), ("SetAsDefault", "true")],
    );
    assert_eq!(
        made["PolicyVersion"],
        json!({"Document": null, "VersionId": "v6", "IsDefaultVersion": true, "CreateDate": made["PolicyVersion"]["CreateDate"]})
    );
    let versions = world.ok(admin, "ListPolicyVersions", &[arn, ("MaxItems", "2")]);
    assert_eq!(versions["Versions"][0]["VersionId"], "v6");
    assert_eq!(
        (&versions["IsTruncated"], &versions["Versions"][1]["VersionId"]),
        (&json!(true), &json!("v5"))
    );
    let rest = world.ok(
        admin,
        "ListPolicyVersions",
        &[arn, ("Marker", versions["Marker"].as_str().unwrap())],
    );
    assert_eq!(rest["Versions"].as_array().unwrap().len(), 3);
    let got = world.ok(admin, "GetPolicyVersion", &[arn, ("VersionId", "v6")]);
    assert!(got["PolicyVersion"]["Document"].as_str().unwrap().starts_with("%7B%22Version%22"));
    world.refused(admin, "GetPolicyVersion", &[arn, ("VersionId", "v1")], "NoSuchEntity");

    // Unused, and down to one version, it goes.
    world.ok(admin, "DetachUserPolicy", &[of, arn]);
    world.refused(admin, "DetachUserPolicy", &[of, arn], "NoSuchEntity");
    world.refused(admin, "DeletePolicy", &[arn], "DeleteConflict");
    world.ok(admin, "DeleteUserPermissionsBoundary", &[of]);
    world.refused(admin, "DeletePolicy", &[arn], "DeleteConflict");
    for version in ["v2", "v3", "v4", "v5"] {
        world.ok(admin, "DeletePolicyVersion", &[arn, ("VersionId", version)]);
    }
    let before = world.head();
    world.ok(admin, "DeletePolicy", &[arn]);
    world.refused(admin, "GetPolicy", &[arn], "NoSuchEntity");
    let then = world.ask(admin, "GetPolicy", &[arn], world.moment(&format!("@{before}"))).unwrap();
    assert_eq!(then["Policy"]["DefaultVersionId"], "v6");
    // The name is free again, for another policy.
    let made =
        world.ok(admin, "CreatePolicy", &[("PolicyName", "Readers"), ("PolicyDocument", ALLOW)]);
    assert_ne!(made["Policy"]["PolicyId"], policy["PolicyId"]);
}

#[test]
fn shared_policies_are_read_and_attached_but_never_changed() {
    let world = World::new(12);
    let admin = &world.admin;
    world.user("alice");
    let of = ("UserName", "alice");
    let arn = ("PolicyArn", READ_ONLY);
    let policy = world.ok(admin, "GetPolicy", &[arn])["Policy"].take();
    let version = ("VersionId", policy["DefaultVersionId"].as_str().unwrap());
    world.ok(admin, "GetPolicyVersion", &[arn, version]);
    world.refused(admin, "GetPolicyVersion", &[arn, ("VersionId", "v1")], "NoSuchEntity");
    assert_eq!(
        world.ok(admin, "ListPolicyVersions", &[arn])["Versions"].as_array().unwrap().len(),
        1
    );
    assert_eq!(world.ok(admin, "ListPolicyTags", &[arn])["Tags"], json!([]));
    for (operation, more) in [
        ("DeletePolicy", &[][..]),
        ("CreatePolicyVersion", &[("PolicyDocument", ALLOW)][..]),
        ("DeletePolicyVersion", &[version][..]),
        ("SetDefaultPolicyVersion", &[version][..]),
        ("TagPolicy", &[("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")][..]),
        ("UntagPolicy", &[("TagKeys.member.1", "k")][..]),
    ] {
        let message = world.refused(admin, operation, &[&[arn], more].concat(), "AccessDenied");
        assert!(message.starts_with("Managed policies of AWS"), "{operation}: {message}");
    }
    world.ok(admin, "AttachUserPolicy", &[of, arn]);
    let of_alice = world.ok(admin, "ListAttachedUserPolicies", &[of]);
    assert_eq!(of_alice["AttachedPolicies"][0]["PolicyName"], "ReadOnlyAccess");
    let attach = |arn: &str, code: &str| {
        world.refused(admin, "AttachUserPolicy", &[of, ("PolicyArn", arn)], code)
    };
    attach("arn:aws:iam::aws:policy/NoSuchPolicyAtAll", "NoSuchEntity");
    attach(
        "arn:aws:iam::aws:policy/aws-service-role/APIGatewayServiceRolePolicy",
        "PolicyNotAttachable",
    );
    attach("arn:aws:iam:eu:aws:policy/ReadOnlyAccess", "InvalidInput");
    attach(&format!("arn:aws-cn:iam::{}:policy/x", world.digits), "InvalidInput");
    attach(&format!("arn:aws:iam::{}:policy/x", world.digits), "NoSuchEntity");

    // Lists: scope, usage, path, pages.
    let list = |parameters: &[(&str, &str)]| {
        let answer = world.ok(admin, "ListPolicies", parameters);
        let names = answer["Policies"].as_array().unwrap();
        let names = names.iter().map(|policy| policy["PolicyName"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), answer["Marker"].as_str().map(str::to_owned))
    };
    world.ok(
        admin,
        "CreatePolicy",
        &[("PolicyName", "Own"), ("Path", "/x/"), ("PolicyDocument", ALLOW)],
    );
    assert_eq!(list(&[("Scope", "Local")]).0, ["Own"]);
    assert!(
        list(&[("Scope", "AWS"), ("OnlyAttached", "true")])
            .0
            .contains(&"ReadOnlyAccess".to_owned())
    );
    assert_eq!(list(&[("Scope", "Local"), ("OnlyAttached", "true")]).0, [""; 0]);
    let own = format!("arn:aws:iam::{}:policy/x/Own", world.digits);
    world.ok(admin, "PutUserPermissionsBoundary", &[of, ("PermissionsBoundary", &own)]);
    assert_eq!(list(&[("PolicyUsageFilter", "PermissionsBoundary")]).0, ["Own"]);
    assert!(!list(&[("PolicyUsageFilter", "PermissionsPolicy")]).0.contains(&"Own".to_owned()));
    assert_eq!(list(&[("PathPrefix", "/x/")]).0, ["Own"]);
    let (mut all, mut marker) = list(&[("MaxItems", "1000")]);
    while let Some(after) = marker {
        let (more, next) = list(&[("MaxItems", "1000"), ("Marker", &after)]);
        all.extend(more);
        marker = next;
    }
    let own = Catalogue::OWN.lines().count();
    assert_eq!(all.len(), 1 + own + Catalogue::SHIPPED_POLICIES);
}

#[test]
fn groups_grant_to_their_members_and_have_quotas() {
    let world = World::new(13);
    let admin = &world.admin;
    let alice = world.user("alice");
    let of = ("UserName", "alice");
    let group = ("GroupName", "readers");
    let made = world.ok(admin, "CreateGroup", &[group, ("Path", "/team/")]);
    assert_eq!(made["Group"]["Arn"], format!("arn:aws:iam::{}:group/team/readers", world.digits));
    world.refused(admin, "CreateGroup", &[("GroupName", "Readers")], "EntityAlreadyExists");
    world.ok(admin, "AttachGroupPolicy", &[group, ("PolicyArn", READ_ONLY)]);
    world.refused(&alice, "GetUser", &[of], "AccessDenied");
    world.ok(admin, "AddUserToGroup", &[group, of]);
    world.ok(&alice, "GetUser", &[of]);
    let head = world.head();
    world.ok(admin, "AddUserToGroup", &[group, of]);
    assert_eq!(world.head(), head);
    let got = world.ok(admin, "GetGroup", &[group]);
    assert_eq!(
        (&got["Users"][0]["UserName"], &got["IsTruncated"]),
        (&json!("alice"), &json!(false))
    );
    assert_eq!(
        world.ok(admin, "ListGroups", &[("PathPrefix", "/team/")])["Groups"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(world.ok(admin, "ListGroups", &[("PathPrefix", "/t/")])["Groups"], json!([]));
    world.ok(admin, "UpdateGroup", &[group, ("NewGroupName", "lookers")]);
    let group = ("GroupName", "lookers");
    let groups = world.ok(admin, "ListGroupsForUser", &[of]);
    assert_eq!(
        groups["Groups"][0]["Arn"],
        format!("arn:aws:iam::{}:group/team/lookers", world.digits)
    );
    world.refused(admin, "DeleteUser", &[of], "DeleteConflict");
    world.refused(admin, "DeleteGroup", &[group], "DeleteConflict");
    for number in 0..9 {
        let name = format!("g{number}");
        world.ok(admin, "CreateGroup", &[("GroupName", &name)]);
        world.ok(admin, "AddUserToGroup", &[("GroupName", &name), of]);
    }
    world.ok(admin, "CreateGroup", &[("GroupName", "one-more")]);
    let message =
        world.refused(admin, "AddUserToGroup", &[("GroupName", "one-more"), of], "LimitExceeded");
    assert_eq!(message, "Cannot exceed quota for GroupsPerUser: 10");
    world.ok(admin, "RemoveUserFromGroup", &[group, of]);
    world.ok(admin, "RemoveUserFromGroup", &[group, of]);
    world.refused(&alice, "GetUser", &[of], "AccessDenied");
    let message = world.refused(admin, "DeleteGroup", &[group], "DeleteConflict");
    assert!(message.contains("detach"), "{message}");
    world.ok(admin, "DetachGroupPolicy", &[group, ("PolicyArn", READ_ONLY)]);
    world.ok(admin, "DeleteGroup", &[group]);
    world.refused(admin, "GetGroup", &[group], "NoSuchEntity");
}

#[test]
fn renaming_a_group_is_judged_where_it_stays() {
    let world = World::new(14);
    let alice = world.user("alice");
    world.ok(&world.admin, "CreateGroup", &[("GroupName", "g"), ("Path", "/a/")]);
    let on = |path: &str| format!("arn:aws:iam::{}:group{path}*", world.digits);
    world.allow("alice", "iam:UpdateGroup", &on("/a/"));
    world.ok(&alice, "UpdateGroup", &[("GroupName", "g"), ("NewGroupName", "h")]);
    let away = [("GroupName", "h"), ("NewPath", "/b/")];
    world.refused(&alice, "UpdateGroup", &away, "AccessDenied");
}

#[test]
fn tags_and_condition_keys_decide() {
    let world = World::new(15);
    let admin = &world.admin;
    let alice = world.user("alice");
    world.user("bob");
    let of = ("UserName", "bob");
    let tag = |key: &'static str, value: &'static str| {
        [of, ("Tags.member.1.Key", key), ("Tags.member.1.Value", value)]
    };
    world.ok(admin, "TagUser", &tag("Team", "red"));
    let head = world.head();
    world.ok(admin, "TagUser", &tag("Team", "red"));
    assert_eq!(world.head(), head);
    world.ok(admin, "TagUser", &tag("team", "blue"));
    assert_eq!(
        world.ok(admin, "ListUserTags", &[of])["Tags"],
        json!([{"Key": "team", "Value": "blue"}])
    );
    world.ok(admin, "UntagUser", &[of, ("TagKeys.member.1", "nope")]);
    assert_eq!(world.head(), head + 1);
    world.ok(admin, "UntagUser", &[of, ("TagKeys.member.1", "TEAM")]);
    assert_eq!(world.ok(admin, "ListUserTags", &[of])["Tags"], json!([]));
    world.refused(admin, "TagUser", &tag("aws:x", "y"), "InvalidInput");

    let put = |condition: &str, actions: &str| {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{actions}],"Resource":"*","Condition":{condition}}}]}}"#
        );
        world.ok(
            admin,
            "PutUserPolicy",
            &[("UserName", "alice"), ("PolicyName", "c"), ("PolicyDocument", &document)],
        );
    };
    put(
        r#"{"StringEquals":{"aws:RequestTag/team":"red"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}"#,
        r#""iam:TagUser""#,
    );
    world.ok(&alice, "TagUser", &tag("team", "red"));
    world.refused(&alice, "TagUser", &tag("team", "green"), "AccessDenied");
    put(
        r#"{"StringEquals":{"iam:ResourceTag/team":"red"},"ForAnyValue:StringEquals":{"aws:TagKeys":["x"]}}"#,
        r#""iam:UntagUser""#,
    );
    world.ok(&alice, "UntagUser", &[of, ("TagKeys.member.1", "x")]);
    world.refused(&alice, "UntagUser", &[of, ("TagKeys.member.1", "y")], "AccessDenied");

    // Attaching one policy only, and only to those who are bounded.
    let condition = format!(
        r#"{{"ArnEquals":{{"iam:PolicyARN":"{READ_ONLY}"}},"StringEquals":{{"iam:PermissionsBoundary":"{READ_ONLY}"}}}}"#
    );
    put(&condition, r#""iam:AttachUserPolicy","iam:DetachUserPolicy""#);
    let read_only = [of, ("PolicyArn", READ_ONLY)];
    world.refused(&alice, "AttachUserPolicy", &read_only, "AccessDenied");
    world.ok(admin, "PutUserPermissionsBoundary", &[of, ("PermissionsBoundary", READ_ONLY)]);
    world.ok(&alice, "AttachUserPolicy", &read_only);
    let other = [of, ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess")];
    world.refused(&alice, "AttachUserPolicy", &other, "AccessDenied");
    world.ok(&alice, "DetachUserPolicy", &read_only);
    put(
        &format!(r#"{{"StringEquals":{{"iam:PermissionsBoundary":"{READ_ONLY}"}}}}"#),
        r#""iam:PutUserPermissionsBoundary""#,
    );
    world.ok(&alice, "PutUserPermissionsBoundary", &[of, ("PermissionsBoundary", READ_ONLY)]);
    let weak = [of, ("PermissionsBoundary", "arn:aws:iam::aws:policy/AdministratorAccess")];
    world.refused(&alice, "PutUserPermissionsBoundary", &weak, "AccessDenied");
}

#[test]
fn ten_policies_and_no_more() {
    let world = World::new(16);
    let admin = &world.admin;
    world.ok(admin, "CreateGroup", &[("GroupName", "g")]);
    for number in 0..11 {
        let name = format!("p{number}");
        let made =
            world.ok(admin, "CreatePolicy", &[("PolicyName", &name), ("PolicyDocument", ALLOW)]);
        let attach = [("GroupName", "g"), ("PolicyArn", made["Policy"]["Arn"].as_str().unwrap())];
        if number < 10 {
            world.ok(admin, "AttachGroupPolicy", &attach);
        } else {
            let message = world.refused(admin, "AttachGroupPolicy", &attach, "LimitExceeded");
            assert_eq!(message, "Cannot exceed quota for PoliciesPerGroup: 10");
        }
    }
}
