//! Every limit of the data plane, with its unit and its default (reliability reference §2).

use std::time::Duration;

/// Limits that hold by default and that an operator may change. The `L` number in each doc is the
/// row of the reliability reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// L2: time for a TLS handshake.
    pub tls_handshake: Duration,
    /// L3: an idle keep-alive connection is closed after this.
    pub keep_alive_idle: Duration,
    /// L4: connections from one client address (IPv6: from one /64).
    pub connections_per_ip: u32,
    /// L4: connections in all; 0 means 90 % of the file descriptors of the process.
    pub connections: u32,
    /// L6: bytes of a request line, and of HTTP/2 `:path`.
    pub request_line_bytes: u32,
    /// L7: bytes of all header fields of a message.
    pub header_bytes: u32,
    /// L7: number of header fields of a message; each cookie crumb counts.
    pub header_fields: u32,
    /// L8: time to receive a whole header section.
    pub header_time: Duration,
    /// L9: least body rate in bytes a second…
    pub body_rate_bytes: u32,
    /// L9: …once this time has passed.
    pub body_rate_grace: Duration,
    /// L10: a write that makes no progress for this long ends the connection.
    pub write_stall: Duration,
    /// L11: bytes of an unread request body that are read and dropped after an early answer.
    pub drain_bytes: u32,
    /// L11: time for that.
    pub drain_time: Duration,
    /// L12: bytes of a request body that passes through.
    pub body_bytes: u64,
    /// L15: streams at a time on one HTTP/2 connection.
    pub h2_streams: u32,
    /// L15: HTTP/2 flow-control window of a stream, bytes.
    pub h2_stream_window: u32,
    /// L15: HTTP/2 flow-control window of a connection, bytes.
    pub h2_connection_window: u32,
    /// L18: an HTTP/2 stream whose window stays closed this long is reset.
    pub h2_window_stall: Duration,
    /// L19: HTTP/2 resets in ten seconds, from any cause.
    pub h2_resets_per_10s: u32,
    /// L20: HTTP/2 control frames (PING, SETTINGS, PRIORITY) in ten seconds.
    pub h2_control_frames_per_10s: u32,
    /// L20: empty DATA frames on one HTTP/2 stream.
    pub h2_empty_data_frames: u32,
    /// L21: payload bytes of one WebSocket frame.
    pub websocket_frame_bytes: u32,
    /// L21: payload bytes of one WebSocket message, all fragments together.
    pub websocket_message_bytes: u32,
    /// L21: a WebSocket caller that has sent nothing for this long is sent a Ping, and is given as
    /// long again to send anything at all.
    pub websocket_ping: Duration,
    /// L22: a TCP connection to an upstream whose data stays unacknowledged this long is closed.
    pub tcp_user_timeout: Duration,
    /// L23: bytes of an upstream's header section.
    pub upstream_header_bytes: u32,
    /// L23: interim (1xx) responses before a final one.
    pub upstream_interim: u32,
    /// Idle time after which a kept upstream connection is closed.
    pub upstream_idle: Duration,
    /// Idle connections kept for one upstream address on one core.
    pub upstream_idle_connections: u32,
    /// L47: bytes of the ring between the data plane and the access log's writer.
    pub log_ring_bytes: u32,
    /// L48: time for requests in flight to finish when the process drains.
    pub drain: Duration,
    /// L46: resident memory the process may have, bytes; 0 means what its cgroup or else the
    /// machine has.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tls_handshake: Duration::from_secs(10),
            keep_alive_idle: Duration::from_secs(60),
            connections_per_ip: 512,
            connections: 0,
            request_line_bytes: 8 << 10,
            header_bytes: 32 << 10,
            header_fields: 100,
            header_time: Duration::from_secs(10),
            body_rate_bytes: 500,
            body_rate_grace: Duration::from_secs(10),
            write_stall: Duration::from_secs(30),
            drain_bytes: 64 << 10,
            drain_time: Duration::from_secs(1),
            body_bytes: 100 << 20,
            h2_streams: 100,
            h2_stream_window: 64 << 10,
            h2_connection_window: 1 << 20,
            h2_window_stall: Duration::from_secs(30),
            h2_resets_per_10s: 200,
            h2_control_frames_per_10s: 100,
            h2_empty_data_frames: 100,
            websocket_frame_bytes: 1 << 20,
            websocket_message_bytes: 16 << 20,
            websocket_ping: Duration::from_secs(30),
            tcp_user_timeout: Duration::from_secs(20),
            upstream_header_bytes: 64 << 10,
            upstream_interim: 10,
            upstream_idle: Duration::from_secs(55),
            upstream_idle_connections: 256,
            log_ring_bytes: 8 << 20,
            drain: Duration::from_secs(30),
            memory_bytes: 0,
        }
    }
}
