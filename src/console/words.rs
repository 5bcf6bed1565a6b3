//! Every text of the console that people read, in one place.

use crate::service::overview::findings::{OLD, Wrong};

pub const DASHBOARD: &str = "Dashboard";
pub const USERS: &str = "Users";
pub const GROUPS: &str = "User groups";
pub const ROLES: &str = "Roles";
pub const POLICIES: &str = "Policies";
pub const CAN: &str = "Can she?";
pub const LEDGER: &str = "Ledger";
pub const DIFF: &str = "Compare";
pub const ACCOUNT: &str = "Account";
pub const NAVIGATION: &str = "Parts of the console";
pub const SKIP: &str = "Skip to the content";
pub const TO_DASHBOARD: &str = "To the dashboard";
pub const MY_CREDENTIALS: &str = "My credentials";
pub const BACK: &str = "Back";
pub const PAGES: &str = "Pages";
pub const PREVIOUS: &str = "Previous";
pub const NEXT: &str = "Next";
pub const FROM_THE_START: &str = "From the start";
pub const ACTIONS: &str = "Actions";
pub const SCOPE: &str = "Which policies";
pub const NAME: &str = "Name";
pub const PATH: &str = "Path";
pub const ARN: &str = "ARN";
pub const UNIQUE_ID: &str = "Unique id";
pub const CREATED: &str = "Created";
pub const UPDATED: &str = "Updated";
pub const STATUS: &str = "Status";
pub const DESCRIPTION: &str = "Description";
pub const KEY: &str = "Key";
pub const VALUE: &str = "Value";
pub const YES: &str = "yes";
pub const NO: &str = "no";
pub const NEVER: &str = "never";
pub const UNKNOWN: &str = "unknown";
/// Of users of before an imported account's history begins.
pub const UNKNOWN_CREDENTIALS: &str = "This user is older than the account's history here: the snapshot that it began with tells nothing of passwords, access keys and MFA devices. Those that the trail tells of are shown; of others nobody knows here.";
pub const ACTIVE: &str = "active";
pub const INACTIVE: &str = "inactive";
pub const DEFAULT: &str = "default";
pub const JSON: &str = "JSON";
pub const SEARCH: &str = "Search";
pub const SHOW: &str = "Show";
pub const GO: &str = "Go";
pub const EDIT: &str = "Edit";
pub const SAVE: &str = "Save";
pub const CHECK: &str = "Check";
pub const REMOVE: &str = "Remove";
pub const DELETE: &str = "Delete";
pub const DETACH: &str = "Detach";
pub const COMPARE: &str = "compare";
pub const DONE: &str = "Done";
pub const FAILED: &str = "That did not work";
pub const DENIED: &str = "Denied";
pub const READ: &str = "Read by auditors";
pub const ERROR: &str = "Error";
pub const WARNING: &str = "Warning";
pub const NOW: &str = "now";
pub const JUST_NOW: &str = "just now";
pub const MINUTE: &str = "minute";
pub const HOUR: &str = "hour";
pub const DAY: &str = "day";
pub const REASON: &str = "Reason (optional)";
pub const REASON_HINT: &str = "a ticket; kept with the event";
pub const WITHHELD: &str = "Some columns are withheld";
pub const WHY_DENIED: &str = "Why, and what would change it";
pub const WHOM_TO_ASK: &str = "Why, and what would change it, is shown to those who may use domesday:Evaluate: \
     administrators and auditors. Send them this, which they can ask under \u{201c}Can she?\u{201d}:";
pub const NOT_DONE: &str = "Not done";
pub const NOT_HERE: &str = "There is no such page";
pub const NOT_HERE_WHY: &str = "The address may be mistyped.";
pub const NO_MOMENT: &str = "That is no moment";
pub const FORGED: &str = "This form was not sent by a page of this console";
pub const FORGED_WHY: &str = "Nothing was done. Open the page again and repeat it.";
pub const TIME: &str = "Time";
pub const MOMENT: &str = "Moment";
pub const MOMENT_HINT: &str = "last friday 17:00, 2026-03-01, @42";
pub const PAST: &str = "You are looking at the past:";
pub const AFTER: &str = "after";
pub const TO_PRESENT: &str = "Back to the present";
pub const PREVIOUS_EVENT: &str = "◀ event";
pub const NEXT_EVENT: &str = "event ▶";
pub const NO_TIMELINE: &str = "The timeline is withheld";
pub const COUNTING: &str = "still counting older events";
pub const EVENTS_KEY: &str = "events";
pub const PRIVILEGED_KEY: &str = "permissions changed";
pub const ROOT_KEY: &str = "root user";
pub const DENIED_KEY: &str = "denied";
pub const PAST_IS_READ: &str = "The past can be read, not changed.";
pub const SIGN_IN: &str = "Sign in";
pub const SIGN_OUT: &str = "Sign out";
pub const SIGN_OUT_EVERYWHERE: &str = "Sign out everywhere";
pub const EMAIL: &str = "Root user e-mail address";
pub const ACCOUNT_FIELD: &str = "Account id or alias";
pub const USER_NAME: &str = "User name";
pub const PASSWORD: &str = "Password";
pub const ROOT_HINT: &str =
    "The root user owns the account. For daily work sign in as an IAM user.";
pub const AS_USER: &str = "Sign in as an IAM user";
pub const AS_ROOT: &str = "Sign in as the root user";
pub const FORGOT_ROOT: &str =
    "Password forgotten? Whoever runs this service can print a code with: domesday recover root";
pub const CODE_TITLE: &str = "Second factor";
pub const CODE: &str = "Code of your MFA device";
pub const CODE_HINT: &str = "Six digits. Each code works once.";
pub const GO_ON: &str = "Go on";
pub const AGAIN: &str = "Begin again";
pub const NEW_PASSWORD_TITLE: &str = "Choose a new password";
pub const NEW_PASSWORD_WHY: &str = "Your password must be changed before you go on.";
pub const NEW_PASSWORD: &str = "New password";
pub const NEW_PASSWORD_AGAIN: &str = "New password again";
pub const OLD_PASSWORD: &str = "Current password";
pub const SET_PASSWORD: &str = "Set the password";
pub const NOT_THE_SAME: &str = "The two new passwords are not the same.";
pub const WRONG: &str = "Account, name or password is wrong.";
pub const WRONG_CODE: &str = "The code is wrong, or was used before.";
pub const LATE: &str = "That took too long, or failed too often. Begin again.";
pub const EXPIRED: &str = "Your password has expired. Ask an administrator for a new one.";
pub const BUSY: &str = "Too many people sign in at this moment. Try again shortly.";
pub const SIGNED_IN: &str = "Signed in";
pub const ROOT_BANNER: &str =
    "You are the root user. Do only what root alone can do, then sign out.";
pub const SWITCH_ROLE: &str = "Switch role";
pub const SWITCH_BACK: &str = "Switch back";
pub const SWITCH_WHY: &str =
    "You keep your own name in the history, and have the role's permissions instead of your own.";
pub const ACCOUNT_ID: &str = "Account id";
pub const ROLE: &str = "Role";
pub const ROLE_HINT: &str = "a name, or an ARN";
pub const SESSION_NAME: &str = "Session name (optional)";
pub const SESSION_NAME_HINT: &str = "your user name, if left empty";
pub const ROLE_HAS_NONE: &str = "A role has no credentials of its own.";
pub const MEND_FIRST: &str = "What to mend first";
pub const NOTHING_TO_MEND: &str = "Nothing was found to mend.";
pub const AT_A_GLANCE: &str = "At a glance";
pub const LEDGER_STATE: &str = "The ledger";
pub const EVENTS: &str = "Events";
pub const TREE_ROOT: &str = "Root of the tree";
pub const KEEP_ROOT: &str = "Keep position and root elsewhere: whoever has them can prove later that nothing before \
     was altered.";
pub const NEWEST: &str = "Newest events";
pub const WHOLE_LEDGER: &str = "The whole ledger";
pub const SEARCH_USERS: &str = "Search users";
pub const SEARCH_GROUPS: &str = "Search groups";
pub const SEARCH_ROLES: &str = "Search roles";
pub const SEARCH_POLICIES: &str = "Search policies";
pub const NEW_USER: &str = "New user";
pub const NO_USERS: &str = "No users.";
pub const LAST_ACTIVITY: &str = "Last activity";
pub const MFA: &str = "MFA";
pub const KEY_AGE: &str = "Oldest active key";
pub const NO_KEY: &str = "none";
pub const PERMISSIONS: &str = "Permissions";
pub const ATTACHED: &str = "Attached policies";
pub const ATTACH: &str = "Attach a policy";
pub const NO_ATTACHED: &str = "No policy is attached.";
pub const DETACH_WHY: &str = "Its permissions end at once.";
pub const POLICY_ARN: &str = "Policy ARN";
pub const POLICY_ARN_HINT: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess, for example";
pub const INLINE: &str = "Inline policies";
pub const NO_INLINE: &str = "No inline policy.";
pub const WRITE_INLINE: &str = "Write an inline policy";
pub const BOUNDARY: &str = "Permissions boundary";
pub const NO_BOUNDARY: &str = "None.";
pub const SET_BOUNDARY: &str = "Set a boundary";
pub const UNBOUND_WHY: &str = "What the boundary held back is allowed at once.";
pub const GROUP: &str = "User group";
pub const NO_GROUPS: &str = "In no group.";
pub const ADD_TO_GROUP: &str = "Add to a group";
pub const LEAVE_GROUP: &str = "What the group allows ends at once.";
pub const TAGS: &str = "Tags";
pub const NO_TAGS: &str = "No tags.";
pub const ADD_TAG: &str = "Set a tag";
pub const REMOVE_TAG: &str = "Policies may depend on this tag.";
pub const DELETE_USER: &str = "Delete this user";
pub const DELETE_USER_WHY: &str = "A user with keys, a password, policies or groups cannot be deleted: remove them first. \
     The history stays.";
pub const CREDENTIALS: &str = "Security credentials";
pub const HAS_PASSWORD: &str = "Signs in with a password, since";
pub const MUST_CHANGE_NOW: &str = "must be changed at the next sign-in";
pub const SIGNS_IN_AT: &str = "Signs in at";
pub const RESET_PASSWORD: &str = "Reset the password";
pub const GIVE_PASSWORD: &str = "Give a password";
pub const REMOVE_PASSWORD: &str = "Remove the password";
pub const REMOVE_PASSWORD_WHY: &str = "The user can no longer sign in, and open sessions of the console end. Access keys go on \
     working.";
pub const NO_PASSWORD: &str = "Has no password, so does not sign in to the console.";
pub const MADE_UP: &str = "A password is made up and shown once.";
pub const MUST_CHANGE: &str = "Must be changed at the next sign-in";
pub const ACCESS_KEYS: &str = "Access keys";
pub const ACCESS_KEY_ID: &str = "Access key id";
pub const SECRET_ACCESS_KEY: &str = "Secret access key";
pub const NO_KEYS: &str = "No access keys.";
pub const NEW_KEY: &str = "New access key";
pub const NEW_KEY_WHY: &str = "The secret is shown once. Prefer a role where you can.";
pub const ACTIVATE: &str = "Activate";
pub const DEACTIVATE: &str = "Deactivate";
pub const DELETE_KEY_WHY: &str = "Whatever uses this key fails from now on. This cannot be undone.";
pub const MFA_DEVICES: &str = "MFA devices";
pub const NO_MFA: &str = "No MFA device.";
pub const ADD_MFA: &str = "Add an MFA device";
pub const ADD_MFA_WHY: &str =
    "An authenticator app on a telephone, for example. Its seed is shown once.";
pub const REMOVE_MFA_WHY: &str =
    "Sign-in no longer asks for its codes. The device is deleted, so that its name is free.";
pub const NOBODYS_DEVICES: &str = "MFA devices that are nobody's";
pub const NOBODYS_DEVICES_WHY: &str = "They were begun and never enabled, or taken from somebody. Until they are deleted nobody can have one of their name.";
pub const DELETE_DEVICE_WHY: &str = "Whoever has its seed cannot enable it any more.";
pub const DEACTIVATED: &str = "Removed, but not deleted";
pub const DEVICE_STAYS: &str = "The device is nobody's any more, and sign-in no longer asks for its codes. It could \
     not be deleted, so that its name stays taken:";
pub const DEVICE_IS_THERE: &str = "There is a device of this name. If it was begun and never enabled, its seed is \
     not shown again: delete it, and add it anew. One that is in use is not deleted.";
pub const DELETE_DEVICE: &str = "Delete the device that is there";
pub const ROLE_IS_OVER: &str = "You are yourself again";
pub const ROLE_IS_OVER_WHY: &str =
    "The role that you worked as is gone, or its session ended. What you sent was not done.";
pub const DEVICE_NAME: &str = "Name of the device";
pub const PASSWORD_LAST_USED: &str = "Password last used";
pub const CONSOLE_ACCESS: &str = "Signs in to the console: make up a password";
pub const WITH_KEY: &str = "Make an access key, too";
pub const GROUPS_HINT: &str = "names, separated by commas";
pub const ONCE_TITLE: &str = "Shown once";
pub const ONCE: &str = "This is shown once and kept nowhere. Copy or download it now.";
pub const DOWNLOAD_CSV: &str = "Download as CSV";
pub const CREDENTIAL_ID: &str = "Credential id";
pub const SECRET: &str = "Secret";
pub const SIGN_IN_ADDRESS: &str = "Sign-in address";
pub const NEW_GROUP: &str = "New group";
pub const NO_GROUPS_YET: &str = "No groups.";
pub const MEMBERS: &str = "Members";
pub const NO_MEMBERS: &str = "No members.";
pub const ADD_MEMBER: &str = "Add a member";
pub const DELETE_GROUP: &str = "Delete this group";
pub const DELETE_GROUP_WHY: &str =
    "A group with members or policies cannot be deleted: remove them first.";
pub const NEW_ROLE: &str = "New role";
pub const NO_ROLES: &str = "No roles.";
pub const TRUST: &str = "Trust policy";
pub const CHANGE_TRUST: &str = "Change who may assume it";
pub const LONGEST_SESSION: &str = "Longest session";
pub const DELETE_ROLE: &str = "Delete this role";
pub const DELETE_ROLE_WHY: &str = "A role with policies or in an instance profile cannot be deleted: remove them first. Its \
     sessions end at once.";
pub const NEW_POLICY: &str = "New policy";
pub const NO_POLICIES: &str = "No policies.";
pub const OWN_POLICIES: &str = "Own policies";
pub const ATTACHED_POLICIES: &str = "Attached";
pub const SHARED_POLICIES: &str = "Shared";
pub const ALL_POLICIES: &str = "All";
pub const SHARED: &str = "shared";
pub const ATTACHMENTS: &str = "Attachments";
pub const ATTACHED_TO: &str = "Attached to";
pub const NOT_ATTACHED: &str = "Attached to nobody.";
pub const VERSIONS: &str = "Versions";
pub const MAKE_DEFAULT: &str = "Make default";
pub const DELETE_VERSION_WHY: &str = "The version goes; the ledger still has it.";
pub const DELETE_POLICY: &str = "Delete this policy";
pub const DELETE_POLICY_WHY: &str = "A policy that is attached or has further versions cannot be deleted: detach and remove \
     them first.";
pub const POLICY_NAME: &str = "Name of the policy";
pub const DOCUMENT: &str = "Policy document";
pub const NOTHING_FOUND: &str = "Nothing is wrong or doubtful.";
pub const ALIAS: &str = "Alias";
pub const NO_ALIAS: &str = "The account has no alias.";
pub const SET_ALIAS: &str = "Set an alias";
pub const ALIAS_HINT: &str = "for the sign-in address; lower-case letters, digits and hyphens";
pub const REMOVE_ALIAS_WHY: &str = "Sign-in addresses with it no longer work.";
pub const ROOT_USER: &str = "Root user";
pub const ROOT_NO_MFA: &str = "The root user has no MFA device.";
pub const ROOT_HAS_MFA: &str = "The root user has an MFA device.";
pub const ROOT_NO_KEYS: &str = "The root user has no access keys.";
pub const ROOT_HAS_KEYS: &str = "The root user has access keys: delete them.";
pub const ROOT_MENDS: &str = "Sign in as the root user, and open My credentials, to change this.";
pub const PASSWORD_POLICY: &str = "Password policy";
pub const NO_PASSWORD_POLICY: &str =
    "None is set: passwords have at least 8 characters of three kinds.";
pub const SET_PASSWORD_POLICY: &str = "Set the password policy";
pub const REMOVE_PASSWORD_POLICY_WHY: &str = "The rules for accounts without a policy hold again.";
pub const UPPER: &str = "an upper-case letter";
pub const LOWER: &str = "a lower-case letter";
pub const DIGIT: &str = "a digit";
pub const SYMBOL: &str = "a symbol";
pub const MAY_CHANGE: &str = "users may change their own password";
pub const SHORTEST: &str = "Least characters";
pub const REUSE: &str = "Passwords that may not be used again (0 to 24)";
pub const MAX_AGE: &str = "Days until a password expires (0: never)";
pub const HARD_EXPIRY: &str = "an expired password can only be reset by an administrator";
pub const QUOTAS: &str = "Quotas";
pub const PRINCIPAL: &str = "Who";
pub const PRINCIPAL_HINT: &str = "alice, role/deploy, an ARN, root";
pub const ACTION: &str = "May do";
pub const RESOURCE: &str = "To what";
pub const RESOURCE_HINT: &str = "an ARN, or * for everything";
pub const CONTEXT: &str = "Known about the request";
pub const CONTEXT_HINT: &str = "one KEY=VALUE a line";
pub const ASK: &str = "Ask";
pub const ALLOWED: &str = "Yes, allowed";
pub const CONDITIONAL: &str = "It depends";
pub const EXPLICITLY_DENIED: &str = "No, explicitly denied";
pub const NOT_ALLOWED: &str = "No, nothing allows it";
pub const SINCE_WHEN: &str = "Since when?";
pub const STILL: &str = "still";
pub const BY_ITSELF: &str = "by itself";
pub const INTERVAL_COLUMNS: [&str; 4] = ["From", "To", "How", "Through"];
pub const HANGS_ON: &str = "The answer hangs on:";
pub const ASSUMED: &str =
    "The import does not tell the text of these policies; the catalogue's of today is assumed:";
pub const DECIDING: &str = "The statements that decided";
pub const WOULD_CHANGE: &str = "What would change the answer";
pub const ALMOST: &str = "What nearly allows it";
pub const ORDER: &str = "In which order this is found";
pub const HISTORY: &str = "History";
pub const WHOLE_HISTORY: &str = "The whole history";
pub const ONCE_THERE: &str = "Perhaps it was there once.";
pub const NO_EVENTS: &str = "No events.";
pub const NO_EVENTS_YET: &str = "None among those that were looked through so far.";
pub const OLDER: &str = "Older events";
pub const FILTERS: &str = "Filters";
pub const NO_FILTERS: &str = "without filters";
pub const WHO: &str = "By whom";
pub const WHO_HINT: &str = "alice, role/deploy, an id";
pub const ABOUT: &str = "About";
pub const PERSON: &str = "Person behind it";
pub const SESSION: &str = "Session";
pub const PERSON_HINT: &str = "also under roles";
pub const OPERATION: &str = "Operation";
pub const TICKET: &str = "Ticket";
pub const FROM: &str = "From";
pub const UNTIL: &str = "Until";
pub const OUTCOME: &str = "Outcome";
pub const RECORDED: &str = "Recorded";
pub const ADDRESS: &str = "From address";
pub const AGENT: &str = "Client";
pub const REQUEST_ID: &str = "Request id";
pub const DIGEST: &str = "Digest";
pub const CHAIN: &str = "Chain";
pub const CHANGED: &str = "What it changed";
pub const CHANGED_NOTHING: &str = "Nothing that could be seen; see the JSON.";
pub const NOTHING: &str = "nothing";
pub const CHANGED_THING: &str = "Thing";
pub const CHANGED_FIELD: &str = "Field";
pub const CHANGED_BEFORE: &str = "Before";
pub const CHANGED_AFTER: &str = "After";
pub const JUST_BEFORE: &str = "Look at the moment before it";
pub const RIGHT_AFTER: &str = "Look at the moment after it";
pub const DIFF_WHY: &str = "Who gained and lost which permissions between two moments, or holds them under other conditions, and by which events.";
pub const ONLY: &str = "Only of";
pub const COMPARE_MOMENTS: &str = "Compare";
pub const EVENTS_BETWEEN: &str = "Events between the two";
pub const DIFFERENCES: &str = "Permissions gained and lost";
pub const NO_DIFFERENCE: &str =
    "Nobody gains or loses a permission, or holds one under other conditions.";
pub const ROOT_IS_YOU: &str = "To the root user the name root means itself: the MFA devices of this user are an \
     administrator's to see and to change.";
pub const TRUNCATED: &str =
    "There was more to compare than one answer holds: what is not listed may differ, too.";
pub const TOO_LONG: &str = "What they gain and lose is more than this page holds. Once it is done, the comparison of \
     one principal alone holds everything.";
pub const AS_WRITTEN: &str = "Resources are compared by the patterns that policies write. Of one that two patterns meet \
     only together, ask whether she can.";
pub const WHOLE_DIFFERENCE: &str = "What it gained and lost";
pub const CHANGE: &str = "Change";
pub const GAINED: &str = "gained";
pub const LOST: &str = "lost";
pub const UNDER_CONDITIONS: &str = "under conditions";
pub const OTHER_CONDITIONS: &str = "under other conditions";
pub const RESOURCE_PATTERN: &str = "On";
pub const BY_EVENTS: &str = "By";
pub const REPORTS: &str = "Reports";
pub const REPORT: &str = "Report";
pub const ALL_REPORTS: &str = "All reports";
pub const REPORTS_WHY: &str = "What auditors ask for, each with the controls that it is evidence for. A report can be \
     generated again to the same bytes, by anybody who has the ledger.";
pub const REPORT_OF_MOMENT: &str = "As of a moment: the present, or wherever the time bar stands.";
pub const REPORT_OF_RANGE: &str =
    "Over a stretch of time, as known now or wherever the time bar stands.";
pub const REPORT_DAYS: &str = "Days";
pub const REPORT_DAYS_HINT: &str = "from which on a key is old, or a user dormant";
pub const DURING: &str = "Or during";
pub const DURING_HINT: &str = "last friday, 2026-03-01, 2026-03, 2026-Q1";
pub const DURING_ALONE: &str = "A day, month, quarter or year stands instead of From and Until.";
pub const AS_OF: &str = "As of";
pub const KNOWN_SINCE: &str = "The account is known since";
pub const DOWNLOAD_JSON: &str = "Download as JSON";
pub const NO_ROWS: &str = "The report has no rows.";
pub const NO_SUCH_FORM: &str = "Reports are files of csv or json.";
pub const NO_SUCH_PAGE: &str = "`of` is the exact moment of a report's first page, and comes with `activity`. Leave it out for the present.";
pub const MAKE_ANEW: &str = "Make it anew";
pub const FILE_OF_NOW: &str = "The file as of now";
pub const MADE_FROM: &str = "What it was made from";
pub const ACTIVITY_BOOK: &str = "Activity book";
pub const GENERATOR: &str = "Generated by";
pub const AGAIN_BY: &str = "The same again";
pub const CHECKPOINT: &str = "Signed checkpoint";
pub const NEW_MFA: &str = "New MFA device";
pub const SCAN: &str = "Scan this with an authenticator app, or type the seed into it.";
pub const QR_CODE: &str = "QR code of the seed, which stands below it";
pub const SEED: &str = "Seed";
pub const SERIAL: &str = "Serial number";
pub const TWO_CODES: &str =
    "Then type two codes that it shows one after the other; they change every 30 seconds.";
pub const FIRST_CODE: &str = "First code";
pub const SECOND_CODE: &str = "Next code";
pub const ENABLE: &str = "Enable the device";
pub const HAVE_CODE: &str = "I have a code";
pub const RECOVER: &str = "Set a new root password";
pub const RECOVER_WHY: &str = "With the code that domesday recover root printed. MFA devices of the root user are taken away by it.";
pub const RECOVERY_CODE: &str = "Code";
pub const SET_EMAIL: &str = "Change the e-mail address";
pub const NEW_EMAIL: &str = "New e-mail address";
pub const CLOSE_ACCOUNT: &str = "Close this account";
pub const CLOSE_ACCOUNT_WHY: &str = "All credentials of the account stop at once. Whoever runs this service can reopen it for 90 days. The history stays.";
pub const CLOSED: &str = "The account is closed";
pub const CLOSED_WHY: &str = "Nothing of it is accepted any more.";
pub const ACCESS: &str = "Last accessed";
pub const ACCESS_ADVISOR: &str = "Services and actions last accessed";
pub const ACCESS_WHY: &str = "What its policies allow, and when it was last asked for. What nobody asked for can be taken away.";
pub const SERVICE: &str = "Service";
pub const NOTHING_ALLOWED: &str = "Its policies allow nothing.";
pub const NOT_ACCESSED: &str = "not accessed";
pub const THREE_KINDS: &str = "three of: upper-case letters, lower-case letters, digits, symbols";
pub const DRY_RUN: &str = "Dry run";
pub const DRY_RUN_OF: &str = "Nothing is changed yet. This is what would follow from";
pub const DO_IT: &str = "Do it";
pub const DRY_RUN_NEW: &str =
    "A new policy is attached to nobody yet: nobody gains or loses anything by it.";

/// How a decision is found: the steps, in order.
pub const STEPS: [(&str, &str); 7] = [
    ("Explicit denial", "a Deny in any policy that has a say ends it"),
    ("Organisation", "every level's resource and service control policies must allow it"),
    ("Resource", "a policy on the resource may allow it; a role's trust policy must"),
    ("Identity", "the principal's own policies and those of its groups must allow it"),
    ("Boundary", "a permissions boundary must allow it, too"),
    ("Session", "the policies of a session must allow it, too"),
    ("Otherwise", "what nothing allows is denied"),
];

/// What was done, after an operation; `None` for what is no operation of a page.
pub fn done(operation: &str) -> Option<String> {
    let is_name = !operation.is_empty()
        && operation.len() <= 64
        && operation.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| {
        let mut words = String::new();
        for (at, letter) in operation.char_indices() {
            if letter.is_ascii_uppercase() && at > 0 {
                words.push(' ');
            }
            words.push(letter.to_ascii_lowercase());
        }
        format!("Done: {}.", words.replace("m f a", "MFA"))
    })
}

fn many(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

pub fn ago(count: u64, unit: &str) -> String {
    format!("{} ago", many(count, unit))
}

pub fn days(days: u64) -> String {
    many(days, "day")
}

pub fn minutes(minutes: u64) -> String {
    many(minutes, "minute")
}

pub fn idle(minutes: i64) -> String {
    format!("or {minutes} minutes after it was last used")
}

pub fn shown(total: usize, page: usize, last: usize) -> String {
    match last {
        0 => format!("{total} in all"),
        _ => format!("{total} in all, page {} of {}", page + 1, last + 1),
    }
}

pub fn rest_of_document(lines: usize) -> String {
    format!("The other {lines} lines")
}

pub fn principals(count: usize) -> String {
    format!("{count} principals")
}

pub fn others_too(count: usize) -> String {
    format!("{count} other principals gain or lose something, too.")
}

pub fn and_more(more: usize) -> String {
    format!("and {more} more")
}

pub const NO_SUCH_ROLE_FOR_YOU: &str = "AWS gives one answer where there is no such role, where its trust policy does \
     not name you, and where nothing that you have allows it. Whoever administers the account of the role can tell which \
     it is.";

/// What somebody who was denied can do about it.
pub fn what_to_do(action: &str, is_explicit: bool) -> String {
    match is_explicit {
        true => format!(
            "A policy denies {action} explicitly, so that no other can allow it. Whoever administers the account \
             can change that policy."
        ),
        false => format!(
            "Nothing that you have allows {action}. Whoever administers the account can give it to you."
        ),
    }
}

pub fn no_stretch(typed: &str) -> String {
    format!(
        "{typed:?} is no stretch of time: write a day (friday, yesterday, 2026-03-01), a month (2026-03), a \
             quarter (2026-Q1) or a year (2026)"
    )
}

pub fn receipts(count: &str) -> String {
    format!("{count} receipts")
}

/// How many lines of a document were put in and taken out.
pub fn lines(put_in: usize, taken_out: usize) -> String {
    let plural = if put_in == 1 { "" } else { "s" };
    format!("{put_in} line{plural} in, {taken_out} out")
}

/// What a page has no room for; `0` fields are an unknown rest.
pub fn more_changed(fields: usize) -> String {
    match fields {
        0 => "All that it changed".to_owned(),
        _ => format!("All that it changed: {fields} more"),
    }
}

pub fn not_yet(moment: &str) -> String {
    format!("{moment} is yet to come.")
}

pub fn report_made(moment: &str, position: &str) -> String {
    format!("A page of the report that was made at {moment}, after @{position}.")
}

pub fn as_of(moment: &str) -> String {
    format!("as of {moment}")
}

pub fn histogram(events: u32, root: u32, privileged: u32, denied: u32) -> String {
    format!(
        "{events} events over time: {privileged} changed permissions, {root} by the root user; \
         {denied} denied requests"
    )
}

pub fn working_as(role: &str) -> String {
    format!("You work as the role {role}.")
}

pub fn wait(seconds: u64) -> String {
    format!("Too many tries. Wait {}, then try again.", many(seconds, "second"))
}

pub fn ask_can(name: &str) -> String {
    format!("Ask what {name} can do")
}

pub fn joined(group: &str) -> String {
    format!("Added to group {group}")
}

pub fn made_user(name: &str) -> String {
    format!("User {name} was created.")
}

pub fn inline_of(kind: &str, owner: &str) -> String {
    format!("Inline policy of {kind} {owner}")
}

pub fn new_version_of(policy: &str) -> String {
    format!("New version of {policy}")
}

pub fn document_of(version: &str, is_default: bool) -> String {
    if is_default {
        format!("Document: {version}, the default version")
    } else {
        format!("Document: {version}")
    }
}

pub fn compared(before: &str, after: &str) -> String {
    format!("From {before} to {after}:")
}

pub fn at_line(line: usize, column: usize) -> String {
    format!("line {line}, column {column}")
}

pub fn via(via: &str) -> String {
    format!("by way of {via}")
}

pub fn brought_by(event: u64) -> String {
    format!("brought by event @{event}")
}

pub fn was_denied(actor: &str, action: &str) -> String {
    format!("{actor} was denied {action}")
}

pub fn has_read(actor: &str, action: &str) -> String {
    format!("{actor} read: {action}")
}

/// How many of a service's actions were asked for.
pub fn of_actions(actions: &[serde_json::Value]) -> String {
    let used = actions
        .iter()
        .filter(|one| one.pointer("/LastAccessedTime").is_some_and(|at| !at.is_null()));
    format!("{} of {} actions", used.count(), actions.len())
}

pub fn at_least(characters: u64) -> String {
    format!("at least {characters} characters")
}

pub fn not_reused(passwords: u64) -> String {
    format!("none of the last {passwords} passwords")
}

pub fn expires(days: u64) -> String {
    format!("expires after {days} days")
}

/// A finding: what is wrong, and why it matters.
pub fn finding(wrong: Wrong, count: usize) -> (String, String) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let (title, why) = match wrong {
        Wrong::RootUsed => (
            "The root user was used lately".to_owned(),
            "Daily work belongs to users and roles whose permissions can be taken away.",
        ),
        Wrong::RootWithoutMfa => (
            "The root user has no MFA device".to_owned(),
            "Whoever learns its password has the whole account.",
        ),
        Wrong::RootKeys => (
            format!("The root user has {}", many(count, "access key")),
            "No policy bounds what they can do. Delete them.",
        ),
        Wrong::UsersWithoutMfa => (
            match count {
                1 => "1 user signs in without a second factor".to_owned(),
                _ => format!("{count} users sign in without a second factor"),
            },
            "A stolen password is enough to be them.",
        ),
        Wrong::OldKeys => {
            return (
                format!("{} with a key older than {OLD} days", many(count, "user")),
                "Keys that are not changed stay good for whoever copied them.".to_owned(),
            );
        }
        Wrong::UnusedUsers => {
            return (
                format!("{} unused for {OLD} days", many(count, "user")),
                "What nobody uses, nobody misses when it is misused.".to_owned(),
            );
        }
        Wrong::WidePolicies => (
            format!(
                "{} everything",
                if count == 1 {
                    "1 policy allows".to_owned()
                } else {
                    format!("{count} policies allow")
                }
            ),
            "Whoever has it can give themselves anything.",
        ),
    };
    (title, why.to_owned())
}
