//! `pasarela login`: from an invitation or a token to a file that the other commands ask with.

use std::{io::Read as _, process::ExitCode};

use serde_json::{Value, json};

use super::check::Format;
use crate::client::{self, Client, Login, Reaching};

/// Become somebody to the administration API.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pasarela login psi_…                   takes up an invitation, such as the one that the first start prints\n  \
    pasarela login pst_… --admin https://admin.example    with a token that you have\n  \
    pasarela login - < invitation.txt       keeps it out of the shell's history\n\n\
    Exit code 0: done; 1: refused, or nobody answers; 2: wrong use."
)]
pub struct Args {
    /// An invitation (psi_…) or a token (pst_…); `-` reads it from standard input.
    pub secret: String,
    /// Where the API is.
    #[command(flatten)]
    pub reaching: Reaching,
    /// How to print who you are.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Runs the command.
#[expect(clippy::print_stdout, reason = "the answer is the command's output")]
pub fn run(args: &Args) -> ExitCode {
    let mut secret = args.secret.clone();
    if secret == "-" {
        secret.clear();
        if let Err(error) = std::io::stdin().lock().take(4 << 10).read_to_string(&mut secret) {
            eprintln!("pasarela: standard input cannot be read: {error}");
            return ExitCode::from(2);
        }
    }
    let admin = args.reaching.place(None);
    let client = match Client::new(&admin, secret.trim()) {
        Ok(client) => client,
        Err(why) => {
            eprintln!("pasarela: {why}");
            return ExitCode::from(2);
        }
    };
    match become_somebody(&client, &admin, secret.trim()) {
        Ok((me, file)) => {
            let text = |path: &str| me.pointer(path).and_then(Value::as_str).unwrap_or_default();
            match args.format {
                Format::Json => println!("{:#}", json!({ "admin": admin, "file": file, "me": me })),
                Format::Text => println!(
                    "You are {}, {} of {}. Your token is in {file}, for you alone.",
                    text("/member/email"),
                    text("/member/role"),
                    text("/organisation/name"),
                ),
            }
            ExitCode::SUCCESS
        }
        Err(told) => {
            eprint!("{told}");
            ExitCode::FAILURE
        }
    }
}

/// Who that is, and the file; or what to print.
fn become_somebody(client: &Client, admin: &str, secret: &str) -> Result<(Value, String), String> {
    let line = |why: String| format!("pasarela: {why}\n");
    let answered = |client: &Client, method: &str, path: &str| {
        let answer = client.ask(method, path, None, None).map_err(line)?;
        match answer.status {
            200 | 201 => Ok(answer.body),
            _ => Err(client::problem(&answer.body)),
        }
    };
    let token = match secret.starts_with("psi_") {
        false => secret.to_owned(),
        true => {
            let welcome = answered(client, "POST", "/invitations/accept")?;
            welcome["secret"].as_str().unwrap_or_default().to_owned()
        }
    };
    let login = Login { admin: admin.to_owned(), token };
    // Written before anything else is asked: an invitation is good for once.
    let file = login.write();
    let file = file.map_err(|error| line(format!("the token cannot be kept: {error}")))?;
    let me = answered(&Client::new(admin, &login.token).map_err(line)?, "GET", "/me")?;
    Ok((me, file.display().to_string()))
}
