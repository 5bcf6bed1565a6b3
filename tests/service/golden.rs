//! The stored bytes of every kind of change, frozen. `DOMESDAY_UPDATE_GOLDEN=1` writes them anew, which
//! is allowed until 0.1.0 and never after: then a changed line means a new version of the kind.

use domesday::base::text::hex;
use domesday::base::time::Timestamp;
use domesday::identity::change::*;
use domesday::identity::id::UniqueId;
use domesday::ledger::AccountId;

fn samples() -> Vec<Change> {
    let id = |text: &str| UniqueId::parse(text).unwrap();
    let user = id("AIDAUSERUSERUSERUSER1");
    let group = id("AGPAGROUPGROUPGROUP11");
    let role = id("AROAROLEROLEROLEROLE1");
    let policy = id("ANPAPOLICYPOLICY11111");
    let profile = id("AIPAPROFILEPROFILE111");
    let key = id("AKIAKEYKEYKEYKEYKEY1");
    let credential = id("ACCACREDENTIALCREDEN1");
    let device = id("AMFADEVICEDEVICEDEVI1");
    let sealed = || Sealed(vec![1, 2, 3]);
    let at = || Timestamp::parse("2026-03-01").unwrap();
    let (name_tag, hash) = ([7; 32], [9; 32]);
    let path = || "/a/".to_owned();
    let shared = || PolicyRef("arn:aws:iam::aws:policy/ReadOnlyAccess".into());
    let trust = || Trust {
        document: hash,
        principals: vec![("arn:aws:iam::123456789012:user/alice".into(), user.clone())],
    };
    vec![
        AccountFounded {
            digits: "123456789012".into(),
            name: sealed(),
            email: sealed(),
            email_tag: name_tag,
        }
        .into(),
        RootPasswordSet { commitment: hash }.into(),
        AccountAliasCreated { alias: "acme".into() }.into(),
        AccountAliasDeleted { alias: "acme".into() }.into(),
        CatalogueInstalled { manifest: hash, policies: 300, source: "s".into() }.into(),
        AccountRegistered { account: AccountId([3; 16]), digits: "123456789012".into() }.into(),
        RootEmailChanged { email: sealed(), email_tag: name_tag }.into(),
        RootRecoveryIssued {
            commitment: hash,
            expires: Timestamp::parse("2027-01-01T01:00:00Z").unwrap(),
        }
        .into(),
        RootRecoveryUsed {}.into(),
        UserCreated { user: user.clone(), path: path(), name: sealed(), name_tag }.into(),
        UserRenamed { user: user.clone(), path: path(), name: sealed(), name_tag }.into(),
        UserDeleted { user: user.clone() }.into(),
        GroupCreated { group: group.clone(), path: path(), name: sealed(), name_tag }.into(),
        GroupRenamed { group: group.clone(), path: path(), name: sealed(), name_tag }.into(),
        GroupDeleted { group: group.clone() }.into(),
        MemberAdded { group: group.clone(), user: user.clone() }.into(),
        MemberRemoved { group: group.clone(), user: user.clone() }.into(),
        RoleCreated {
            role: role.clone(),
            path: path(),
            name: sealed(),
            name_tag,
            trust: trust(),
            description: Some(sealed()),
            max_session: 3600,
        }
        .into(),
        RoleUpdated { role: role.clone(), description: None, max_session: 43_200 }.into(),
        TrustUpdated { role: role.clone(), trust: trust() }.into(),
        RoleDeleted { role: role.clone() }.into(),
        PolicyCreated {
            policy: policy.clone(),
            path: path(),
            name: "p".into(),
            name_tag,
            description: Some("d".into()),
            document: hash,
        }
        .into(),
        PolicyVersionCreated { policy: policy.clone(), version: 2, document: hash, default: true }
            .into(),
        PolicyVersionDeleted { policy: policy.clone(), version: 2 }.into(),
        DefaultVersionSet { policy: policy.clone(), version: 1 }.into(),
        PolicyDeleted { policy: policy.clone() }.into(),
        PolicyAttached { owner: user.clone(), policy: shared() }.into(),
        PolicyDetached { owner: user.clone(), policy: PolicyRef(policy.to_string()) }.into(),
        InlinePolicyPut { owner: user.clone(), name: "p".into(), document: hash }.into(),
        InlinePolicyDeleted { owner: user.clone(), name: "p".into() }.into(),
        BoundarySet { owner: user.clone(), policy: shared() }.into(),
        BoundaryCleared { owner: user.clone() }.into(),
        Tagged { owner: user.clone(), tags: vec![("k".into(), sealed())] }.into(),
        Untagged { owner: user.clone(), keys: vec!["k".into()] }.into(),
        AccessKeyCreated { key: key.clone(), owner: user.clone(), commitment: hash }.into(),
        AccessKeyStatusSet { key: key.clone(), active: false }.into(),
        AccessKeyDeleted { key }.into(),
        LoginProfileCreated { user: user.clone(), commitment: hash, reset_required: true }.into(),
        LoginProfileUpdated { user: user.clone(), commitment: Some(hash), reset_required: None }
            .into(),
        LoginProfileDeleted { user: user.clone() }.into(),
        PasswordPolicySet {
            minimum_length: 14,
            symbols: true,
            numbers: false,
            uppercase: true,
            lowercase: false,
            users_may_change: true,
            max_age_days: Some(90),
            reuse_prevention: Some(24),
            hard_expiry: Some(false),
        }
        .into(),
        PasswordPolicyDeleted {}.into(),
        OldPasswordKept { user: user.clone(), commitment: hash }.into(),
        OldPasswordsForgotten { user: user.clone(), commitments: vec![hash, [8; 32]] }.into(),
        InstanceProfileCreated {
            profile: profile.clone(),
            path: path(),
            name: "i".into(),
            name_tag,
        }
        .into(),
        InstanceProfileDeleted { profile: profile.clone() }.into(),
        ProfileRoleAdded { profile: profile.clone(), role: role.clone() }.into(),
        ProfileRoleRemoved { profile, role }.into(),
        OrganizationPoliciesSet {
            service_control: vec![vec![("FullAWSAccess".into(), hash)], vec![]],
            resource_control: vec![vec![("p".into(), hash)]],
        }
        .into(),
        ServiceCredentialCreated {
            credential: credential.clone(),
            owner: user,
            service: "domesday".into(),
            alias: sealed(),
            commitment: hash,
            expires: Timestamp::parse("2027-01-01"),
        }
        .into(),
        ServiceCredentialStatusSet { credential: credential.clone(), active: false }.into(),
        ServiceCredentialReset { credential: credential.clone(), commitment: hash }.into(),
        ServiceCredentialDeleted { credential }.into(),
        MfaDeviceCreated {
            device: device.clone(),
            path: path(),
            name: sealed(),
            name_tag,
            commitment: hash,
        }
        .into(),
        MfaDeviceEnabled {
            device: device.clone(),
            owner: UniqueId::root(),
            step: 59_000_000,
            ahead: -3,
        }
        .into(),
        MfaDeviceResynced { device: device.clone(), step: 59_000_001, ahead: 0 }.into(),
        MfaDeviceDeactivated { device: device.clone() }.into(),
        MfaDeviceDeleted { device }.into(),
        AccountClosed {}.into(),
        AccountReopened {}.into(),
        CheckpointKeyMade {
            number: 2,
            origin: "domesday/00ff".into(),
            public_key: [5; 32],
            commitment: hash,
        }
        .into(),
        ImportBegun { import: [5; 16], baseline: Some(hash) }.into(),
        BaselineTaken { entities: 12 }.into(),
        EntityDated { id: group, created: at() }.into(),
        PolicyImported {
            policy,
            path: path(),
            name: "p".into(),
            name_tag,
            description: Some("d".into()),
            created: at(),
            updated: at(),
            versions: vec![(3, hash, at()), (5, [8; 32], at())],
            default: 5,
        }
        .into(),
        SharedPolicyImported {
            policy: shared(),
            id: "ANPASHARED".into(),
            version: "v12".into(),
            document: hash,
            created: at(),
            updated: at(),
        }
        .into(),
        RecordReplayed { record: "e-1".into(), at: at(), missing: Some(sealed()) }.into(),
        LateEvidence { record: "e-2".into(), at: at() }.into(),
        ImportCompleted { compared: Some(hash), differences: 3, drift: Some(sealed()) }.into(),
        ImportDropped {}.into(),
        EvidenceContradicted { record: "e-1".into(), at: at(), content: hash }.into(),
        OrderAmbiguous { record: "e-1".into() }.into(),
        RecordSaid { record: "e-1".into(), content: hash }.into(),
    ]
}

#[test]
fn the_bytes_of_every_change_are_frozen() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/golden/changes.txt");
    let mut lines = Vec::new();
    for (sample, (number, version, name)) in samples().iter().zip(Change::KINDS) {
        assert_eq!(sample.name(), *name, "a sample for every kind, in order");
        let mut body = Vec::new();
        write(sample, &mut body).unwrap();
        assert_eq!(read_all(&body).unwrap(), std::slice::from_ref(sample));
        lines.push(format!("{number} v{version} {name} {}", hex(&body)));
    }
    assert_eq!(lines.len(), Change::KINDS.len());
    let found = lines.join("\n") + "\n";
    if std::env::var("DOMESDAY_UPDATE_GOLDEN").is_ok() {
        std::fs::write(path, &found).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), found);
}
