//! The servers of the zoo: each started with a configuration of its own, on loopback, in a folder that
//! goes away. Those that cannot run code stand in front of a Node origin, so that what they made of
//! the gateway's bytes can be seen.

use std::{fs, path::Path, time::Duration};

use crate::harness::{PYTHON, Running, free_port, have, program, script};

/// A server of the zoo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Apache,
    Gunicorn,
    Haproxy,
    Lighttpd,
    Nginx,
    Node,
    Uvicorn,
}

/// One that runs.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    front: Option<Running>,
    origin: Running,
    folder: tempfile::TempDir,
}

/// What `/static/file.txt` holds; 1,000 bytes.
pub(crate) fn static_file() -> Vec<u8> {
    (0..100).flat_map(|i| format!("line {i:4}\n").into_bytes()).collect()
}

/// What nobody may read without a key (the tests of paths).
pub(crate) const SECRET: &str = "the-secret-of-the-zoo";

impl Server {
    /// Starts one; `None` when it is not installed.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        let needed: &[&str] = match kind {
            Kind::Apache => &["node", "apache2"],
            Kind::Gunicorn => &[PYTHON, ".peers/venv/bin/gunicorn"],
            Kind::Haproxy => &["node", "haproxy"],
            Kind::Lighttpd => &["node", "lighttpd"],
            Kind::Nginx => &["node", "nginx"],
            Kind::Node => &["node"],
            Kind::Uvicorn => &[PYTHON, ".peers/venv/bin/uvicorn"],
        };
        if !have(needed) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("www");
        for name in ["static", "admin"] {
            fs::create_dir_all(files.join(name)).unwrap();
        }
        fs::write(files.join("static/file.txt"), static_file()).unwrap();
        // Apache's tag of a file that changed within the last second is a weak one, and another one a second later.
        let file = fs::File::options().write(true).open(files.join("static/file.txt")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
        fs::write(files.join("admin/secret.txt"), SECRET).unwrap();
        open_to_workers(folder.path());

        if matches!(kind, Kind::Gunicorn | Kind::Uvicorn) {
            let port = free_port();
            let mut origin = python_server(kind, port);
            origin.accepting(port);
            return Some(Self { kind, port, front: None, origin, folder });
        }
        let origin = Running::start(program("node").arg(script("origin.js")));
        let node = origin.listening();
        let (front, port) = if kind == Kind::Node {
            (None, node)
        } else {
            let port = free_port();
            let mut front = front_server(kind, folder.path(), port, node);
            front.accepting(port);
            (Some(front), port)
        };
        Some(Self { kind, port, front, origin, folder })
    }

    /// Every request this server took for one, `CLIENT-PORT METHOD TARGET [VERSION]`, so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        let file = self.folder.path().join("access.log");
        let lines = match self.kind {
            Kind::Apache | Kind::Nginx => {
                let text = fs::read(file).unwrap_or_default();
                String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
            }
            Kind::Haproxy => self.front.as_ref().map(|front| front.out.all()).unwrap_or_default(),
            // lighttpd holds its log back for seconds; its origin's does as well.
            Kind::Lighttpd | Kind::Gunicorn | Kind::Node | Kind::Uvicorn => self.origin.out.all(),
        };
        let is_request =
            |line: &String| line.split(' ').next().is_some_and(|word| word.parse::<u16>().is_ok());
        lines.into_iter().filter(is_request).collect()
    }

    /// What the origin behind it saw; the same as [`Server::requests`] for a server without one.
    pub(crate) fn origin_requests(&self) -> Vec<String> {
        self.origin.out.all().into_iter().filter(|line| !line.starts_with("listening")).collect()
    }

    /// Whether its log tells one connection of the gateway from another.
    pub(crate) fn logs_connections(&self) -> bool {
        self.kind != Kind::Lighttpd
    }
}

fn python_server(kind: Kind, port: u16) -> Running {
    let scripts = script("");
    let mut command = if kind == Kind::Gunicorn {
        let mut command = program(PYTHON);
        command
            .args(["-m", "gunicorn", "-k", "gthread", "--threads", "8", "--keep-alive", "30", "-b"])
            .arg(format!("127.0.0.1:{port}"))
            .args(["--limit-request-line", "8190", "--limit-request-fields", "200"])
            .args(["--limit-request-field_size", "0", "--graceful-timeout", "1", "--chdir"])
            .arg(&scripts)
            .arg("origin_wsgi:application");
        command
    } else {
        let mut command = program(PYTHON);
        command
            .args(["-m", "uvicorn", "origin_asgi:application", "--http", "h11", "--no-access-log"])
            .args(["--timeout-keep-alive", "30", "--log-level", "warning"])
            .args(["--h11-max-incomplete-event-size", "200000", "--app-dir"])
            .arg(&scripts)
            .args(["--port", &port.to_string()]);
        command
    };
    Running::start(command.env("PYTHONDONTWRITEBYTECODE", "1"))
}

fn front_server(kind: Kind, folder: &Path, port: u16, node: u16) -> Running {
    let file = folder.join("server.conf");
    let at = folder.display();
    let (text, name, arguments): (String, &str, &[&str]) = match kind {
        Kind::Nginx => (nginx(&at.to_string(), port, node), "nginx", &["-e", "stderr", "-c"]),
        Kind::Apache => (apache(&at.to_string(), port, node), "apache2", &["-DFOREGROUND", "-f"]),
        Kind::Haproxy => (haproxy(port, node), "haproxy", &["-db", "-f"]),
        Kind::Lighttpd => (lighttpd(&at.to_string(), port, node), "lighttpd", &["-D", "-f"]),
        Kind::Gunicorn | Kind::Node | Kind::Uvicorn => unreachable!("{kind:?} stands alone"),
    };
    fs::write(&file, text).unwrap();
    open_to_workers(folder);
    Running::start(program(name).args(arguments).arg(&file).env("LC_ALL", "C"))
}

/// Started by root, Apache gives its workers to `nobody`, who has to get into the folder.
fn open_to_workers(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

fn nginx(at: &str, port: u16, node: u16) -> String {
    let user = if is_root() { "user root;" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("  {name}_temp_path {at}/{name};\n"))
        .collect();
    format!(
        "{user}
daemon off;
worker_processes 1;
pid {at}/pid;
events {{ worker_connections 1024; }}
http {{
{temporary}
  log_format zoo '$remote_port $request';
  access_log {at}/access.log zoo;
  keepalive_requests 1000000;
  large_client_header_buffers 8 64k;
  client_max_body_size 0;
  types {{ text/plain txt; }}
  upstream node {{ server 127.0.0.1:{node}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    root {at}/www;
    location /static/ {{ }}
    location /admin/ {{ }}
    location / {{
      proxy_pass http://node;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection '';
    }}
  }}
}}
"
    )
}

fn apache(at: &str, port: u16, node: u16) -> String {
    let modules = "/usr/lib/apache2/modules";
    let load: String = ["mpm_event", "authz_core", "alias", "dir", "mime", "proxy", "proxy_http"]
        .iter()
        .map(|name| format!("LoadModule {name}_module {modules}/mod_{name}.so\n"))
        .collect();
    let user = if is_root() { "User nobody\nGroup nogroup\n" } else { "" };
    format!(
        "{load}{user}
ServerRoot {at}
DefaultRuntimeDir {at}
PidFile {at}/pid
Listen 127.0.0.1:{port}
ServerName localhost
ErrorLog {at}/error.log
LogFormat \"%{{remote}}p %r\" zoo
CustomLog {at}/access.log zoo
TypesConfig /dev/null
AddType text/plain .txt
StartServers 1
ServerLimit 1
ThreadsPerChild 32
MaxRequestWorkers 32
KeepAliveTimeout 30
MaxKeepAliveRequests 0
LimitRequestLine 65000
LimitRequestFieldSize 65000
LimitRequestFields 200
AllowEncodedSlashes NoDecode
DocumentRoot {at}/www
<Directory {at}/www>
  Require all granted
</Directory>
ProxyPreserveHost On
ProxyPass /static/ !
ProxyPass /admin/ !
ProxyPass / http://127.0.0.1:{node}/ nocanon
"
    )
}

fn haproxy(port: u16, node: u16) -> String {
    format!(
        "global
  log stdout format raw local0
  maxconn 500
  nbthread 1
  tune.bufsize 65536
  tune.http.maxhdr 300
  tune.http.logurilen 8192
defaults
  mode http
  log global
  log-format \"%cp %r\"
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout http-keep-alive 30s
  option http-keep-alive
frontend zoo
  bind 127.0.0.1:{port}
  http-request return status 200 content-type text/plain string static if {{ path_beg /static/ }}
  http-request return status 200 content-type text/plain string {SECRET} if {{ path -m str /admin/secret.txt }}
  default_backend node
backend node
  server node 127.0.0.1:{node}
"
    )
}

fn lighttpd(at: &str, port: u16, node: u16) -> String {
    format!(
        "server.modules = ( \"mod_proxy\" )
server.document-root = \"{at}/www\"
server.errorlog = \"{at}/error.log\"
server.bind = \"127.0.0.1\"
server.port = {port}
server.max-keep-alive-requests = 100000
server.max-keep-alive-idle = 30
server.http-parseopts = ( \"method-get-body\" => \"enable\" )
server.max-request-field-size = 65000
mimetype.assign = ( \".txt\" => \"text/plain\" )
$HTTP[\"url\"] !~ \"^/(static|admin)/\" {{
  proxy.server = ( \"\" => ( ( \"host\" => \"127.0.0.1\", \"port\" => {node} ) ) )
}}
"
    )
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").map(|process| process.uid()).unwrap_or(1) == 0
}
