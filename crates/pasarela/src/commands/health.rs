//! `pasarela health`: asks a running gateway how it is, for the health check of a container.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use crate::config;

/// Ask the gateway on this machine whether it is ready.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  pasarela health --config pasarela.yaml\n\n\
    Exit code 0: it is; 1: it is not, or nobody answers; 2: wrong use.")]
pub struct Args {
    /// The configuration file that names the console's address.
    #[arg(long, value_name = "FILE", conflicts_with = "address")]
    pub config: Option<PathBuf>,
    /// The console's address.
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<SocketAddr>,
}

const PATIENCE: Duration = Duration::from_secs(3);

/// Asks `/readyz` and says what came back.
#[expect(clippy::print_stdout, reason = "the answer is the command's output")]
pub fn run(args: &Args) -> ExitCode {
    let address = match (args.address, &args.config) {
        (Some(address), _) => address,
        (None, None) => config::empty(0).settings.listen.console,
        (None, Some(path)) => match config::load(path, &|name| std::env::var(name).ok(), 0) {
            Ok(loaded) => loaded.settings.listen.console,
            Err(faults) => {
                eprint!("{faults}");
                return ExitCode::FAILURE;
            }
        },
    };
    match ask(address) {
        Ok((200, body)) => {
            println!("{}", body.trim());
            ExitCode::SUCCESS
        }
        Ok((_, body)) => {
            println!("{}", body.trim());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("pasarela: the console at {address} does not answer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask(address: SocketAddr) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(64 << 10).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_status_and_what_stands_below_the_head_are_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut head, mut piece) = (Vec::new(), [0; 256]);
            while !head.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut piece).unwrap();
                head.extend_from_slice(&piece[..read]);
            }
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"x\":1}").unwrap();
        });
        assert_eq!(ask(address).unwrap(), (503, "{\"x\":1}".to_owned()));
        server.join().unwrap();
        assert!(ask(address).is_err());
    }
}
