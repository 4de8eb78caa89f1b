//! A byte stream to a peer: TCP, or TLS over TCP, client or server.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

/// A connected byte stream.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP; boxed, because a session is large and most connections have none.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The TCP stream underneath.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Whether the bytes are encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// The other side's address.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }
}

/// Receives from a plain socket. The system call is made directly: the C library's wrapper makes
/// every `recv` and `send` a cancellation point, which costs two per cent of a request.
#[inline]
fn poll_receive(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        ready!(tcp.poll_read_ready(cx))?;
        let room = buf.initialize_unfilled();
        let asked = room.len();
        let mut done = None;
        let _ = tcp.try_io(Interest::READABLE, || {
            let received = recv(tcp, room, RecvFlags::empty()).map(|(received, _)| received);
            settle(received.map_err(io::Error::from), asked, &mut done)
        });
        match done {
            Some(received) => return Poll::Ready(received.map(|received| buf.advance(received))),
            None => continue,
        }
    }
}

/// Sends on a plain socket.
#[inline]
fn poll_send(tcp: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(tcp.poll_write_ready(cx))?;
        let mut done = None;
        let _ = tcp.try_io(Interest::WRITABLE, || {
            let sent = send(tcp, bytes, SendFlags::NOSIGNAL).map_err(io::Error::from);
            settle(sent, bytes.len(), &mut done)
        });
        if let Some(sent) = done {
            return Poll::Ready(sent);
        }
    }
}

/// Notes what a system call did, and tells the runtime to wait for the next event when there is
/// nothing more to be had: after an error of that name, and after fewer bytes than were asked for,
/// which saves the call that would only find that out (the socket is edge-triggered: epoll(7), Q9).
#[inline]
fn settle(
    result: io::Result<usize>,
    asked: usize,
    done: &mut Option<io::Result<usize>>,
) -> io::Result<()> {
    let again = Err(io::ErrorKind::WouldBlock.into());
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => again,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        // Nothing: the end, which stays readable.
        Ok(moved) if moved > 0 && moved < asked => {
            *done = Some(Ok(moved));
            again
        }
        other => {
            *done = Some(other);
            Ok(())
        }
    }
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => poll_receive(tcp, cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => poll_send(tcp, cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
