//! Pasarela's command line: one word, one file that does it.

use std::process::ExitCode;

use clap::Parser as _;
use pasarela::{
    admin::Operations,
    commands::{check, convert, explain, health, lint, login, publish, store, transcode, validate},
    demo, serve,
};

/// One binary in front of your REST and SOAP services.
#[derive(clap::Parser)]
#[command(
    version,
    about,
    after_help = "Begin with:\n  pasarela demo\n\n`pasarela COMMAND --help` has an example of each."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Check(check::Args),
    Convert(convert::Args),
    Explain(explain::Args),
    Health(health::Args),
    Lint(lint::Args),
    Login(login::Args),
    Publish(publish::Args),
    Store(store::Args),
    Transcode(transcode::Args),
    Validate(validate::Args),
    #[command(flatten)]
    Operations(Operations),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Login(args) => login::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Store(args) => store::run(&args),
        Command::Transcode(args) => transcode::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Operations(operations) => operations.run(),
    }
}
