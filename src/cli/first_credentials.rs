//! The credentials that founding made up, told once: on a terminal as lines to paste; elsewhere, where
//! stdout is a log, in a file that only its owner reads. Secrets that were given are known already and not
//! repeated.

use std::fs;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Failure, print};
use crate::base::notice::notice;
use crate::service::founding::{Founded, Founding, Place};

/// The file's name in the data folder.
const FILE: &str = "first-credentials.env";

/// Which secrets were given, and so are not told.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    admin_key: bool,
}

impl Given {
    /// What founding was given. (A root password that was given is not in what it returns.)
    pub fn of(founding: &Founding) -> Self {
        Given { admin_key: founding.admin_key.is_some() }
    }
}

/// Tells what was made up.
///
/// # Errors
/// If stdout or the file cannot be written. The credentials are lost then; `domesday recover` makes others.
pub fn tell(place: &Place, founded: &Founded, given: Given, url: &str) -> Result<(), Failure> {
    let lines = lines(founded, given, url);
    let password = founded.root_password.as_ref();
    if std::io::stdout().is_terminal() {
        if let Some(password) = password {
            let (email, password) = (&founded.root_email, password.expose());
            print::line(&format!(
                "Root     {email}  one-time password {password}  (not for daily work)"
            ))?;
        }
        print::line("Paste in another terminal (shown once; lost: domesday recover admin):")?;
        return lines.iter().try_for_each(|line| print::line(&format!("  {line}")));
    }
    let Place::Folder { data, .. } = place else {
        if founded.admin.is_some() && !given.admin_key {
            notice(format_args!(
                "stdout is no terminal and the data is in memory, so the administrator's key is \
                 told nowhere: give one by DOMESDAY_ADMIN_ACCESS_KEY_ID and \
                 DOMESDAY_ADMIN_SECRET_ACCESS_KEY, or use `domesday exec`"
            ));
        }
        return Ok(());
    };
    let mut text = String::new();
    if let Some(password) = password {
        text += &format!("# Root {} one-time password {}\n", founded.root_email, password.expose());
    }
    for line in lines {
        text += &line;
        text.push('\n');
    }
    let path = data.join(FILE);
    write_private(&path, &text)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    print::line(&format!("First credentials  {}  (move them to a safe place)", path.display()))
}

/// Whatever lay there before, others may have been able to read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The lines to paste into a shell.
fn lines(founded: &Founded, given: Given, url: &str) -> Vec<String> {
    let program = std::env::current_exe().ok();
    let path = match program.as_deref().and_then(Path::parent) {
        Some(folder) => format!("PATH={}:$PATH ", quoted(&folder.display().to_string())),
        None => String::new(),
    };
    let region = "AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1";
    let keys = match &founded.admin {
        None => String::new(),
        Some((_, key, _)) if given.admin_key => format!(" AWS_ACCESS_KEY_ID={key}"),
        Some((_, key, secret)) => {
            format!(" AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={}", quoted(secret.expose()))
        }
    };
    vec![
        "unset AWS_PROFILE AWS_SESSION_TOKEN".to_owned(),
        format!("export {path}AWS_ENDPOINT_URL={url} DOMESDAY_ENDPOINT={url}"),
        format!("export {region}{keys}"),
    ]
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::base::secret::Secret;

    fn founded() -> Founded {
        Founded {
            digits: "123456789012".into(),
            root_email: "root@example.com".into(),
            root_password: None,
            admin: Some(("admin".into(), "AKIA1".into(), Secret::new("s3/cr+et".into()))),
        }
    }

    #[test]
    fn what_was_given_is_not_told_again() {
        let told = lines(&founded(), Given { admin_key: false }, "http://h:1").join("\n");
        assert!(told.contains(" AWS_ACCESS_KEY_ID=AKIA1 AWS_SECRET_ACCESS_KEY=s3/cr+et"), "{told}");
        assert!(told.contains("AWS_ENDPOINT_URL=http://h:1 DOMESDAY_ENDPOINT=http://h:1"));
        let told = lines(&founded(), Given { admin_key: true }, "http://h:1").join("\n");
        assert!(told.ends_with("AWS_ACCESS_KEY_ID=AKIA1") && !told.contains("s3/cr"), "{told}");
    }

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quoted("/usr/local/bin"), "/usr/local/bin");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_file_is_private_whatever_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }
}
