//! The credential report, generated and fetched. What is in it: [`crate::service::reports::credential`].

use serde::{Deserialize, Serialize, Serializer};

use crate::base::time::Timestamp;
use crate::projection::directory::Directory;
use crate::projection::tables::Counted;
use crate::service::fault::Fault;
use crate::service::operation::{Read, Reading, operations};
use crate::service::reports::Pinned;
use crate::service::reports::credential::{self, Of};
use crate::service::target::Target;

operations! { Iam:
    read GenerateCredentialReport on |op, scene| Ok(Target::any()) => GenerateCredentialReportResult,
    read GetCredentialReport on |op, scene| Ok(Target::any()) => GetCredentialReportResult,
}

/// `GenerateCredentialReport`
#[derive(Deserialize)]
pub struct GenerateCredentialReport {}

/// How far the report is.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GenerateCredentialReportResult {
    state: &'static str,
    description: Option<&'static str>,
}

impl Read for GenerateCredentialReport {
    /// The past needs none: whatever moment is asked for, its report is there.
    fn read(self, at: &Reading<'_>) -> Result<GenerateCredentialReportResult, Fault> {
        let now = Pinned { cut: at.cut, at: at.instant };
        if !at.is_past && at.reports.generate_credential(at.directory.account, now) {
            let description = Some("No report exists. Starting a new report generation task");
            return Ok(GenerateCredentialReportResult { state: "STARTED", description });
        }
        Ok(GenerateCredentialReportResult { state: "COMPLETE", description: None })
    }
}

/// Bytes of a line, roughly.
const LINE: usize = 256;

/// `GetCredentialReport`
#[derive(Deserialize)]
pub struct GetCredentialReport {}

/// The report.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetCredentialReportResult {
    content: Content,
    report_format: &'static str,
    generated_time: Timestamp,
}

/// Bytes, which an answer in XML shows in base64.
struct Content(Vec<u8>);

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl Read for GetCredentialReport {
    fn read(self, at: &Reading<'_>) -> Result<GetCredentialReportResult, Fault> {
        let account = at.directory.account;
        let pinned = match at.is_past {
            true => Pinned { cut: at.cut, at: at.instant },
            false => at.reports.credential(account, at.instant)?,
        };
        let view = at.reports.view(&pinned);
        let _turn = at.reports.turn()?;
        let directory = Directory::new(&view, account);
        let users = directory.how_many(Counted::Users)?;
        let mut content = Vec::with_capacity((users + 2) * LINE);
        let of = Of { directory, activity: at.activity, until: pinned.at };
        credential::write(of, &mut content)?;
        Ok(GetCredentialReportResult {
            content: Content(content),
            report_format: "text/csv",
            generated_time: pinned.at,
        })
    }

    fn is_long(&self) -> bool {
        true
    }
}
