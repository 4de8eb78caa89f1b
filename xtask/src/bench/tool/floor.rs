//! The floor: what a proxy costs that does nothing but relay.
//!
//! A bare loop of tokio and httparse with the same pooling as the product and none of its duties:
//! no limits, no timeouts, no routes, no header rewritten, bodiless requests only. Nothing written
//! in this style can be cheaper, so the distance to it is the price of what the product does.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::options::Options;

type Pool = Rc<RefCell<Vec<TcpStream>>>;

/// Relays until killed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let listen: SocketAddr = options.text("listen")?.parse()?;
    let origin: SocketAddr = options.text("origin")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind(listen).await?;
        let pool = Pool::default();
        loop {
            let (client, _) = listener.accept().await?;
            client.set_nodelay(true)?;
            let pool = Rc::clone(&pool);
            // The end of a connection, however it comes, is nobody else's concern.
            tokio::task::spawn_local(async move {
                relay(client, &pool, origin).await.unwrap_or_default()
            });
        }
    })
}

async fn relay(mut client: TcpStream, pool: &Pool, origin: SocketAddr) -> Result<()> {
    let mut request = Vec::with_capacity(4 << 10);
    let mut response = Vec::with_capacity(32 << 10);
    loop {
        request.clear();
        while !request_is_complete(&request)? {
            if client.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
        }
        let pooled = pool.borrow_mut().pop();
        let mut upstream = match pooled {
            Some(upstream) => upstream,
            None => {
                let upstream = TcpStream::connect(origin).await?;
                upstream.set_nodelay(true)?;
                upstream
            }
        };
        upstream.write_all(&request).await?;

        response.clear();
        let total = loop {
            if upstream.read_buf(&mut response).await? == 0 {
                bail!("the origin closed");
            }
            if let Some(total) = response_length(&response)? {
                break total;
            }
        };
        let mut relayed = response.len();
        client.write_all(&response).await?;
        while relayed < total {
            response.clear();
            relayed += upstream.read_buf(&mut response).await?;
            client.write_all(&response).await?;
        }
        pool.borrow_mut().push(upstream);
    }
}

fn request_is_complete(bytes: &[u8]) -> Result<bool> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    Ok(!bytes.is_empty() && httparse::Request::new(&mut fields).parse(bytes)?.is_complete())
}

/// Header section plus body, once the header section is there.
fn response_length(bytes: &[u8]) -> Result<Option<usize>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = response.parse(bytes)? else { return Ok(None) };
    let length = response
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .context("an answer without Content-Length")?;
    Ok(Some(head + std::str::from_utf8(length.value)?.parse::<usize>()?))
}
