//! What a refused request is answered: AWS's code, status and sentence.
//!
//! The sentences stand in one table, each with where it comes from; `own` where AWS's was not found.

use crate::base::notice::notice;
use crate::ledger::LedgerError;
use crate::policy::DocumentError;
use crate::projection::ProjectionError;
use crate::store::StoreError;

/// The code of a fault that tells of damage. The operator is told where; strangers are not (see
/// `api::query`), and the command line ends with 3 for it.
pub const DAMAGED: &str = "LedgerDamaged";

/// A refusal or failure, as the caller is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// AWS's error code.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The sentence.
    pub message: String,
}

const NOT_AT_HAND: &str = "NotAtHand";

impl Fault {
    /// A fault with a sentence made on the spot.
    pub fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Fault { code, status, message: message.into() }
    }

    /// Whether the caller is at fault, as opposed to the service.
    pub fn is_sender(&self) -> bool {
        self.status < 500
    }

    /// `InvalidInput`, 400.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Fault::new("InvalidInput", 400, message)
    }

    /// `ValidationError`, 400.
    pub fn validation(message: impl Into<String>) -> Self {
        Fault::new("ValidationError", 400, message)
    }

    /// `ServiceFailure`, 500: something here went wrong; the details are for the operator's log.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        notice(format_args!("internal failure: {what}"));
        Fault::new(
            "ServiceFailure",
            500,
            "The request processing has failed because of an internal error.",
        )
    }

    /// Whether memory alone could not answer; never seen outside.
    pub fn is_not_at_hand(&self) -> bool {
        self.code == NOT_AT_HAND
    }

    /// `ServiceUnavailable`, 503: the same request may succeed soon.
    pub fn unavailable(why: &str) -> Self {
        Fault::new(
            "ServiceUnavailable",
            503,
            format!("The service cannot take writes now: {why}. Try again."),
        )
    }
}

impl From<ProjectionError> for Fault {
    fn from(error: ProjectionError) -> Self {
        match (&error, error.store_error()) {
            (ProjectionError::Outlived, _) => {
                Fault::new("ServiceUnavailable", 503, error.to_string())
            }
            (ProjectionError::NotAtHand, _) => Fault::new(NOT_AT_HAND, 500, error.to_string()),
            (_, Some(StoreError::NoSpace(_))) => Fault::unavailable("its disk is full"),
            _ if error.is_damage() => Fault::new(DAMAGED, 500, error.to_string()),
            _ => Fault::internal(error),
        }
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::TooLarge { .. } => Fault::new(
                "RequestEntityTooLarge",
                413,
                "The change does not fit into one event of the ledger (65,535 bytes).",
            ),
            error => ProjectionError::Ledger(error).into(),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        ProjectionError::from(error).into()
    }
}

impl From<crate::base::random::RandomError> for Fault {
    fn from(error: crate::base::random::RandomError) -> Self {
        Fault::internal(error)
    }
}

impl From<crate::base::form_tree::FormError> for Fault {
    fn from(error: crate::base::form_tree::FormError) -> Self {
        Fault::new("MalformedInput", 400, error.to_string())
    }
}

impl From<DocumentError> for Fault {
    fn from(error: DocumentError) -> Self {
        Fault::new(error.code(), 400, error.message())
    }
}

/// A sentence of the table: code, status, text with `{}` where values go, and its source.
#[derive(Debug)]
pub struct Sentence {
    /// AWS's error code.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The text.
    pub text: &'static str,
    /// Where it was seen; begins with `own` if AWS says none, or none that was found.
    pub source: &'static str,
}

impl Sentence {
    /// The fault with these values in place of the `{}`, in order.
    pub fn with(&self, values: &[&str]) -> Fault {
        let mut message = String::with_capacity(self.text.len() + 32);
        let mut values = values.iter();
        for (number, piece) in self.text.split("{}").enumerate() {
            if number > 0 {
                message.push_str(values.next().copied().unwrap_or_default());
            }
            message.push_str(piece);
        }
        Fault { code: self.code, status: self.status, message }
    }
}

macro_rules! sentences {
    ($( $name:ident $code:literal $status:literal $text:literal $source:literal; )*) => {
        $(
            #[doc = concat!("`", $code, "`: ", $text)]
            pub const $name: Sentence =
                Sentence { code: $code, status: $status, text: $text, source: $source };
        )*
        /// The whole table.
        pub const SENTENCES: &[(&str, Sentence)] = &[$( (stringify!($name), $name), )*];
    };
}

sentences! {
    NO_USER "NoSuchEntity" 404 "The user with name {} cannot be found." "AWS CLI and SDK issue trackers";
    NO_GROUP "NoSuchEntity" 404 "The group with name {} cannot be found." "AWS CLI and SDK issue trackers";
    NO_ROLE "NoSuchEntity" 404 "The role with name {} cannot be found." "AWS CLI and SDK issue trackers";
    NO_POLICY "NoSuchEntity" 404 "Policy {} was not found." "Terraform provider issue tracker";
    NO_ATTACHABLE_POLICY "NoSuchEntity" 404 "Policy {} does not exist or is not attachable." "Terraform provider issue tracker";
    NO_POLICY_VERSION "NoSuchEntity" 404 "Policy {} version {} does not exist or is not attachable." "AWS SDK issue trackers";
    NO_INLINE_POLICY "NoSuchEntity" 404 "The {} policy with name {} cannot be found." "Terraform provider issue tracker";
    NOT_ATTACHED "NoSuchEntity" 404 "Policy {} was not found." "Terraform provider issue tracker";
    NO_BOUNDARY_POLICY "NoSuchEntity" 404 "Scope ARN: {} does not exist or is not attachable." "Terraform provider issue tracker";
    NO_ACCESS_KEY "NoSuchEntity" 404 "The Access Key with id {} cannot be found." "AWS CLI issue tracker";
    NO_SERVICE_CREDENTIAL "NoSuchEntity" 404 "No such credential {} exists" "AWS SDK issue trackers";
    NO_LOGIN_PROFILE "NoSuchEntity" 404 "Login Profile for User {} cannot be found." "AWS CLI issue tracker";
    NO_INSTANCE_PROFILE "NoSuchEntity" 404 "Instance Profile {} cannot be found." "Terraform provider issue tracker";
    NO_ALIAS "NoSuchEntity" 404 "The account alias {} cannot be found." "own: AWS's code (API reference) in the form of its other sentences";
    ROLE_NOT_IN_PROFILE "NoSuchEntity" 404 "Role {} in Instance Profile {} cannot be found." "answers of AWS that LocalStack's tests recorded";

    USER_EXISTS "EntityAlreadyExists" 409 "User with name {} already exists." "AWS CLI issue tracker";
    GROUP_EXISTS "EntityAlreadyExists" 409 "Group with name {} already exists." "AWS CLI issue tracker";
    RESERVED_PATH "InvalidInput" 400 "Path prefix '{}' can only be used for AWS Service linked Roles" "a policy tool's pull request that shows AWS's answer";
    PROTECTED_ROLE "UnmodifiableEntity" 400 "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS" "AWS re:Post, protected roles";
    ROLE_EXISTS "EntityAlreadyExists" 409 "Role with name {} already exists." "AWS CLI issue tracker";
    POLICY_EXISTS "EntityAlreadyExists" 409 "A policy called {} already exists. Duplicate names are not allowed." "Terraform provider issue tracker";
    INSTANCE_PROFILE_EXISTS "EntityAlreadyExists" 409 "Instance Profile {} already exists." "Terraform provider issue tracker";
    LOGIN_PROFILE_EXISTS "EntityAlreadyExists" 409 "Login Profile for user {} already exists." "AWS CLI issue tracker";
    ALIAS_EXISTS "EntityAlreadyExists" 409 "The account alias {} already exists." "Terraform provider issue tracker";

    MUST_DETACH_POLICIES "DeleteConflict" 409 "Cannot delete entity, must detach all policies first." "Terraform provider issue tracker";
    MUST_DELETE_POLICIES "DeleteConflict" 409 "Cannot delete entity, must delete policies first." "AWS CLI issue tracker";
    MUST_DELETE_KEYS "DeleteConflict" 409 "Cannot delete entity, must delete access keys first." "AWS CLI issue tracker";
    MUST_DELETE_SERVICE_CREDENTIALS "DeleteConflict" 409 "Cannot delete entity, must delete service specific credentials first." "own: AWS's code (API reference, DeleteUser) in the form of its other sentences";
    MUST_DELETE_MFA "DeleteConflict" 409 "Cannot delete entity, must delete MFA device first." "cloud-hosted guides that show AWS's answer (paco, aim)";
    MUST_DEACTIVATE "DeleteConflict" 409 "MFA VirtualDevice in use. Must deactivate first." "a service that follows IAM";
    MUST_DELETE_LOGIN "DeleteConflict" 409 "Cannot delete entity, must delete login profile first." "Terraform provider issue tracker";
    MUST_LEAVE_GROUPS "DeleteConflict" 409 "Cannot delete entity, must remove users from group first." "mozilla-services/userplex issue 17";
    MUST_REMOVE_USERS "DeleteConflict" 409 "Cannot delete entity, must remove users from group first." "AWS CLI issue tracker";
    MUST_LEAVE_PROFILES "DeleteConflict" 409 "Cannot delete entity, must remove roles from instance profile first." "Terraform provider issue tracker";
    POLICY_IN_USE "DeleteConflict" 409 "Cannot delete a policy attached to entities." "Terraform provider issue tracker";
    POLICY_HAS_VERSIONS "DeleteConflict" 409 "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy." "AWS CLI issue tracker";
    VERSION_IS_DEFAULT "DeleteConflict" 409 "Cannot delete the default version of a policy." "AWS CLI issue tracker";

    QUOTA "LimitExceeded" 409 "Cannot exceed quota for {}: {}" "Terraform provider issue tracker";
    TOO_MANY_VERSIONS "LimitExceeded" 409 "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version." "Terraform provider issue tracker";
    INLINE_TOO_LARGE "LimitExceeded" 409 "Maximum policy size of {} bytes exceeded for {} {}" "Terraform provider issue tracker";
    TOO_MANY_TAGS "LimitExceeded" 409 "The number of tags has reached the maximum limit." "what versity/versitygw's tests hold against, and two more services that follow IAM";

    PASSWORD_SHORT "PasswordPolicyViolation" 400 "Password should have a minimum length of {}" "answers of AWS that its users show (AWS CLI, CreateLoginProfile)";
    PASSWORD_PLAIN "PasswordPolicyViolation" 400 "Password should meet {} more of the following requirements: {}" "answers of AWS that its users show (boto3, CreateLoginProfile)";
    PASSWORD_LACKS "PasswordPolicyViolation" 400 "{}" "the parts of the sentence that AWS says without rules of one's own";
    PASSWORD_USED "PasswordPolicyViolation" 400 "Policy constraint violation with password reuse prevention during password change." "a service that follows IAM";
    WRONG_PASSWORD "AccessDenied" 403 "The old password was incorrect." "a service that follows IAM";
    NOT_A_USER "InvalidUserType" 400 "Only IAM Users can change their own password." "two services that follow IAM; the code is in the API reference";
    TOO_MANY_GUESSES "LimitExceeded" 409 "The old password was incorrect too often: try again in {} seconds." "own";
    NO_PASSWORD_POLICY "NoSuchEntity" 404 "The Password Policy with domain name {} cannot be found." "AWS CLI issue tracker";
    PASSWORD_NAME "PasswordPolicyViolation" 400 "Password should be neither the name of the account nor the e-mail address of its root user" "own";
    PASSWORD_MISSING "ValidationError" 400 "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null" "the form of IAM's validation errors";
    NO_MFA_DEVICE "NoSuchEntity" 404 "VirtualMFADevice with serial number {} doesn't exist." "answers of AWS that moto's tests hold against";
    MFA_NOT_OF_USER "NoSuchEntity" 404 "MFA Device invalid for user." "a service that follows IAM";
    MFA_NOT_VIRTUAL "NoSuchEntity" 404 "{} is no virtual MFA device: hardware tokens and FIDO security keys are not in this release." "own";
    MFA_DEVICE_EXISTS "EntityAlreadyExists" 409 "MFADevice entity at the same path and name already exists." "CloudTrail records of AWS that its users show";
    MFA_BAD_PATH "ValidationError" 400 "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters." "answers of IAM about other paths";
    MFA_LONG_SERIAL "ValidationError" 400 "1 validation error detected: Value at 'serialNumber' failed to satisfy constraint: Member must have length less than or equal to 256" "the form of IAM's validation errors";
    MFA_DEVICE_IN_USE "EntityAlreadyExists" 409 "MFA Device is already in use." "a service that follows IAM";
    MFA_WRONG_CODES "InvalidAuthenticationCode" 403 "Authentication code for device is not valid." "AWS's console as its users show it; a service that follows IAM";
    MFA_NOT_SHOWN "AccessDenied" 403 "To complete this action, please ensure that you are authenticated with an MFA device that is enabled for this user." "AWS CLI and console as their users show them";
    MFA_NEEDS_BOTH "AccessDenied" 403 "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code." "AWS SDK issue trackers (y13i/sgviz 9)";
    MFA_NO_DEVICE "AccessDenied" 403 "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user." "AWS CLI issue tracker (aws/aws-cli 6325)";
    MFA_WRONG_CODE "AccessDenied" 403 "MultiFactorAuthentication failed with invalid MFA one time pass code." "AWS CLI issue tracker (aws/aws-cli 2279)";
    MFA_TOO_EARLY "AccessDenied" 403 "MultiFactorAuthentication failed, too many codes were wrong: try again in {} seconds." "own";
    ALIAS_IS_DIGITS "ValidationError" 400 "An account alias cannot be 12 digits: it would read as the id of an account." "own";

    AWS_POLICY_FIXED "AccessDenied" 403 "Managed policies of AWS cannot be changed: {}." "own: that they cannot is in the IAM User Guide; its sentence was not found";
    NOT_ATTACHABLE "PolicyNotAttachable" 400 "Cannot attach a Service Role Policy to a Customer Role." "CDK issue tracker";
    NO_ARN "ValidationError" 400 "ARN {} is not valid." "answers of AWS that LocalStack's tests recorded";
    BAD_ARN "InvalidInput" 400 "ARN {} is not valid." "AWS CLI issue tracker";
    DUPLICATE_TAG_KEYS "InvalidInput" 400 "Duplicate tag keys found. Please note that Tag keys are case insensitive." "Terraform provider issue tracker";
    RESERVED_TAG "InvalidInput" 400 "Tag keys that start with 'aws:' are reserved for system use: {}." "own: that they are is in the IAM User Guide; its sentence was not found";
    BAD_MARKER "ValidationError" 400 "Invalid Marker." "answers of AWS that LocalStack's tests recorded";
    NEED_USER_NAME "ValidationError" 400 "Must specify userName when calling with non-User credentials" "AWS CLI issue tracker";
    UNKNOWN_KEY_USE "AccessDenied" 403 "User: {} is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key {}" "answers of AWS that LocalStack's tests recorded";
    NO_SUCH_SERVICE "NotSupportedService" 404 "No such service {} is supported for Service Specific Credentials" "AWS SDK issue trackers";
    CREDENTIAL_NEVER_AGES "InvalidInput" 400 "CredentialAgeDays is not supported for {}." "own: that it is valid for API keys only is in the API reference; its sentence was not found";
    CREDENTIAL_EXPIRY "InvalidInput" 400 "The status of a service-specific credential can be set to Active or Inactive, not to {}." "own";
    ALL_USERS_OR_ONE "InvalidInput" 400 "UserName and AllUsers cannot be given together." "own: that they cannot is in the API reference; its sentence was not found";
    KEY_EXPIRY "InvalidInput" 400 "The status of an access key can be set to Active or Inactive, not to {}." "own";

    NO_ENTITY_ARN "InvalidInput" 400 "Invalid Entity Arn: {} does not clearly define entity type and name." "newrelic/newrelic-lambda-cli 96";
    FOREIGN_SOURCE "InvalidInput" 400 "Invalid Policy Source Arn: caller's account {} does not have access to policies in account {}" "answers of AWS that its users show";
    GROUP_CALLS "InvalidInput" 400 "Invalid caller - Caller must be an IAM user in this context." "ScottLogic/blog 308; here roles may call, too";
    NEED_CALLER "InvalidInput" 400 "CallerArn is required with a ResourcePolicy: it says whom its Principal is compared with." "own: that it is required is in the API reference";
    BAD_OWNER "InvalidInput" 400 "'{}' is not a valid as a Resource Owner." "boto/botocore 1346";
    BAD_RESOURCE "InvalidInput" 400 "ResourceNames are not in a valid ARN format: {}." "aws-containers/amazon-ecs-exec-checker 35";
    NO_ACTIONS "InvalidInput" 400 "ActionNames names no action." "own";
    BAD_ACTION "InvalidInput" 400 "{} does not name one action: write service:Action, without wildcards." "own: that wildcards are not supported is in the API reference";
    BAD_KEY_NAME "InvalidInput" 400 "{} is not the full name of a condition key: it has no service prefix." "own: that it must have one is in the API reference";
    KEY_TWICE "InvalidInput" 400 "The condition key {} is given twice." "own";
    BAD_KEY_VALUE "InvalidInput" 400 "The value '{}' of the condition key {} is not {}." "own";
    NOT_ONE_VALUE "InvalidInput" 400 "The condition key {} needs exactly one value; the types of keys with several end in List." "own";
    TWO_BOUNDARIES "InvalidInput" 400 "PermissionsBoundaryPolicyInputList holds more than one policy." "own: that it holds one is in the API reference";
    EMPTY_LEVEL "InvalidInput" 400 "{} is empty: each level of an organization has at least one policy." "own";
    BAD_EXCLUSION "InvalidInput" 400 "{} is malformed, or has wildcards that are not allowed there." "own: that it is refused is in the API reference";
    EXCLUSION_UNCLEAR "InvalidInput" 400 "Each entry of PolicyExclusionList has exactly one of PolicyType, PolicyArn and InlinePolicyIdentifier." "own: that it is a union is in the API reference";
    BAD_HANDLING "InvalidInput" 400 "{} is no ResourceHandlingOption: EC2-VPC-InstanceStore and EC2-VPC-EBS are, each also with -Subnet." "own: the values are in the API reference";
    HANDLING_LACKS "InvalidInput" 400 "The ResourceHandlingOption {} needs a resource of type {}." "own: what each needs is in the API reference";
    SIMULATION_TOO_LARGE "InvalidInput" 400 "The simulation is too large: ask with fewer resources, or of shorter policies." "own";

    REPORT_NOT_PRESENT "ReportNotPresent" 410 "There is no credential report. Use GenerateCredentialReport to generate one." "own: AWS's code and status (API reference); its sentence is `Unknown` (prowler-cloud/prowler 272)";
    REPORT_EXPIRED "ReportExpired" 410 "The most recent credential report has expired. Use GenerateCredentialReport to generate a new one." "own: AWS's code and status (API reference); its sentence was not found";
    REPORT_IN_PROGRESS "ReportInProgress" 404 "The credential report is still being generated." "own: AWS's code and status (API reference); its sentence was not found";

    NO_JOB "NoSuchEntity" 404 "There is no job {} of yours: jobs are forgotten after a day, and when the service is started again." "own: AWS's code (API reference); its sentence was not found";
    NO_ENTITY_OF_ARN "NoSuchEntity" 404 "ARN {} does not exist in this account." "own: AWS's code (API reference); its sentence was not found";

    ONLY_ROOT "AccessDenied" 403 "Only the account's root user can do this." "own";
    WRONG_ROOT_PASSWORD "AccessDenied" 403 "The password is not the root user's." "own";
    WRONG_CODE "AccessDenied" 403 "The code is not valid for this e-mail address: it is another one, was used, or has expired." "own";
    EMAIL_TAKEN "EntityAlreadyExists" 409 "Another account's root user has this e-mail address." "own";
    ACCOUNT_IS_CLOSED "AccessDenied" 403 "The account is closed: reopen it first (`domesday account reopen`)." "own";
    ACCOUNT_IS_OPEN "InvalidInput" 400 "The account is not closed." "own";
    CLOSED_FOR_GOOD "InvalidInput" 400 "The account was closed at {}, too long ago to be reopened." "own: that it can be for 90 days is in the AWS Account Management Reference Guide";

    NOT_THERE_YET "NoSuchEntity" 404 "The account did not exist at that moment." "own";
    READ_ONLY_PAST "AccessDenied" 403 "The past can only be read: {} changes something or issues credentials." "own";
    INVALID_ACTION "InvalidAction" 400 "Could not find operation {} for version {}" "AWS CLI issue tracker";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_where_the_text_says() {
        let fault = NO_INLINE_POLICY.with(&["user", "p{}"]);
        assert_eq!(fault.message, "The user policy with name p{} cannot be found.");
        assert_eq!((fault.code, fault.status), ("NoSuchEntity", 404));
    }

    #[test]
    fn every_sentence_has_a_source() {
        for (name, sentence) in SENTENCES {
            assert!(!sentence.source.is_empty(), "{name}");
        }
    }
}
