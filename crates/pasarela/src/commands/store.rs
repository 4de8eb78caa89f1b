//! `pasarela store`: looks after the store without a server; it may run beside one.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use pasarela_control::{Control, Offer};
use pasarela_store::{Place, Schema, Store};
use serde_json::{Value, json};

use super::check::Format;
use crate::{admin, config, serve};

/// Look after what the administration API keeps.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  pasarela store check --config pasarela.yaml\n  \
    pasarela store backup --data /var/lib/pasarela /backup/store.db\n  \
    pasarela store invite --config pasarela.yaml    when every token is lost\n\n\
    Exit code 0: fine; 1: it is not, or it cannot be had; 2: wrong use.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// The configuration file that says where the store is.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The folder of the embedded store; the file's `storage` by default.
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    format: Format,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// Is it whole: the file, its form, and every seal of the audit log?
    Check,
    /// Brings it to this version's form, as the next start would.
    Migrate,
    /// Copies it, while it is in use, into a file that is not there yet.
    Backup {
        /// The copy.
        file: PathBuf,
    },
    /// Makes an invitation for an owner of the gateway, for whoever has lost every token.
    Invite,
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime
        .context("the runtime does not start")
        .and_then(|runtime| runtime.block_on(perform(args)));
    match done {
        Ok(found) => {
            let out = match args.format {
                Format::Text => found.text,
                Format::Json => format!("{:#}\n", found.json),
            };
            let _ = std::io::stdout().lock().write_all(out.as_bytes());
            if found.fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("pasarela: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is said at the end.
struct Found {
    fine: bool,
    text: String,
    json: Value,
}

async fn perform(args: &Args) -> anyhow::Result<Found> {
    let (place, data) = place(args)?;
    let schema = Store::schema(&place).await.context("the store cannot be read")?;
    let place = &(place, admin::PepperFile::of(&data)?);
    match &args.what {
        What::Check => check(place, schema).await,
        What::Migrate => migrate(place, schema).await,
        What::Backup { file } => {
            let store = current(place, schema).await?;
            let pepper = place.1.path();
            store.copy_into(file).await.context("it cannot be copied")?;
            store.close().await;
            Ok(Found {
                fine: true,
                text: format!(
                    "Copied to {}. The pepper is not in it: keep {} in another place.\n",
                    file.display(),
                    pepper.display()
                ),
                json: json!({ "copy": file.display().to_string() }),
            })
        }
        What::Invite => {
            let store = current(place, schema).await?;
            let control = Control::new(store.clone(), Offer::default());
            let invitation = control.first_invitation(admin::now(), admin::seed()?, true).await?;
            store.close().await;
            let invitation = invitation.context("no invitation was made")?;
            Ok(Found {
                fine: true,
                text: format!("{invitation}\n"),
                json: json!({ "invitation": invitation }),
            })
        }
    }
}

fn place(args: &Args) -> anyhow::Result<(Place, PathBuf)> {
    let settings = match &args.config {
        None => config::empty(0).settings,
        Some(path) => {
            let loaded = config::load(path, &|name| std::env::var(name).ok(), 0);
            let loaded = loaded.map_err(|faults| anyhow::anyhow!("{faults}"))?;
            loaded.settings
        }
    };
    if !settings.administered && args.data.is_none() {
        bail!("the configuration names no `storage`: the file is all there is");
    }
    let data = args.data.clone().unwrap_or_else(|| settings.data_dir().to_owned());
    Ok((serve::place(&settings, &data), data))
}

/// Where a store is, and its pepper.
type Seasoned = (Place, admin::PepperFile);

async fn open((place, pepper): &Seasoned) -> anyhow::Result<Store> {
    pepper.open(place).await.map_err(|error| pepper.explain(error))
}

/// The store, where it needs no migration first.
async fn current(place: &Seasoned, schema: Schema) -> anyhow::Result<Store> {
    if schema.has < schema.knows {
        bail!("the store has an older form: run `pasarela store migrate`, or start the gateway");
    }
    open(place).await
}

async fn check(place: &Seasoned, schema: Schema) -> anyhow::Result<Found> {
    let store = current(place, schema).await?;
    let file = store.self_check().await.map_err(|error| error.to_string());
    let log = store.read(|tx| Box::pin(async move { tx.verify_audit().await }));
    let log: Result<_, pasarela_store::Error> = log.await;
    store.close().await;
    let log = log.context("the audit log cannot be read")?;
    let head: String = log.head.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut text = format!("Form {} of {}.\n", schema.has, schema.knows);
    text += &match &file {
        Ok(()) => "The file is whole.\n".to_owned(),
        Err(why) => format!("The file is damaged: {why}\n"),
    };
    text += &match log.broken {
        None => {
            format!("The audit log is whole: {} entries, the last seal is {head}.\n", log.entries)
        }
        Some(number) => format!("The audit log is not what was written from entry {number} on.\n"),
    };
    Ok(Found {
        fine: file.is_ok() && log.broken.is_none(),
        text,
        json: json!({
            "form": schema.has, "known": schema.knows, "damage": file.err(),
            "audit": { "entries": log.entries, "head": head, "broken": log.broken },
        }),
    })
}

async fn migrate(place: &Seasoned, schema: Schema) -> anyhow::Result<Found> {
    let store = open(place).await.context("the store cannot be migrated")?;
    store.close().await;
    Ok(Found {
        fine: true,
        text: match schema.has == schema.knows {
            true => format!("It has form {} already.\n", schema.has),
            false => format!("It had form {}, and has form {} now.\n", schema.has, schema.knows),
        },
        json: json!({ "had": schema.has, "form": schema.knows }),
    })
}
