//! The form of `Resource` entries as AWS checks it when a policy is saved.

/// The types that AWS's message names.
const IAM_PATHS: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

/// Types that AWS has besides: its own policies use some of them, the Service Authorization Reference lists
/// all. They are accepted; the message is as it was recorded, without them.
const MORE_IAM_PATHS: [&str; 4] =
    ["assumed-role/", "delegation-request/", "role-template/", "contextProvider/"];

/// What AWS says about this entry, and what would be right; `None` if it is well-formed.
pub(super) fn mistake(resource: &str) -> Option<(String, String)> {
    if resource == "*" {
        return None;
    }
    let Some((_, after_scheme)) = resource.split_once(':') else {
        let message = format!("Resource {resource} must be in ARN format or \"*\".");
        return Some((message, "write arn:aws:service:region:account:resource, or *".into()));
    };
    let (partition, after_partition) = match after_scheme.split_once(':') {
        Some((partition, rest)) => (partition, Some(rest)),
        None => (after_scheme, None),
    };
    if !is_partition(partition) {
        let message = format!(
            "Partition \"{partition}\" is not valid for resource \"{}\".",
            normalised(partition, after_partition.unwrap_or_default())
        );
        return Some((message, "write aws, aws-cn, aws-us-gov or *".into()));
    }
    let Some(after_partition) = after_partition else {
        let message = "Resource vendor must be fully qualified and cannot contain regexes.";
        return Some((message.into(), "name the service after the partition".into()));
    };
    let mut fields = after_partition.splitn(4, ':');
    let service = fields.next().unwrap_or_default();
    let region = fields.next();
    let path = fields.nth(1);
    let region_free = matches!(region, None | Some("" | "*"));
    match service {
        "iam" if !region_free => {
            let message = format!("IAM resource {resource} cannot contain region information.");
            Some((message, "IAM is global; leave the region empty".into()))
        }
        "s3" if !region_free && !path.is_some_and(|path| path.starts_with("accesspoint/")) => {
            let message = format!("Resource {resource} can not contain region information.");
            Some((message, "bucket names are global; leave the region empty".into()))
        }
        "iam" => {
            let known = path.is_none_or(|path| {
                let mut known = IAM_PATHS.iter().chain(&MORE_IAM_PATHS);
                matches!(path, "*" | "root") || known.any(|known| path.starts_with(known))
            });
            let list = IAM_PATHS.join(", ");
            let message = format!("IAM resource path must either be \"*\" or start with {list}.");
            (!known).then(|| (message, "name the type of the resource".into()))
        }
        _ => None,
    }
}

/// Whether the older parser behind AWS's refuses the entry: an empty service, or an ARN that has
/// empty fields but too few of them. A final `*` stands for the fields it leaves out.
pub(super) fn fails_legacy(resource: &str) -> bool {
    if resource == "*" {
        return false;
    }
    let short = resource.matches(':').count() < 5 && resource.contains("::");
    (short && !resource.ends_with('*')) || resource.split(':').nth(2) == Some("")
}

fn is_partition(text: &str) -> bool {
    matches!(
        text,
        "*" | "aws"
            | "aws-cn"
            | "aws-us-gov"
            | "aws-eusc"
            | "aws-iso"
            | "aws-iso-b"
            | "aws-iso-e"
            | "aws-iso-f"
    )
}

/// The ARN as AWS prints it back: fields that are missing are stars.
fn normalised(partition: &str, rest: &str) -> String {
    let mut fields: Vec<&str> = rest.splitn(4, ':').collect();
    if fields == [""] {
        fields.clear();
    }
    fields.resize(4, "*");
    format!("arn:{partition}:{}", fields.join(":"))
}
