//! The store dies while it is in use, in every way that it can: no call fails, administration says so, and it heals by itself.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use pasarela_testkit::{Gateway, RawClient, Response, Upstream, eventually, seconds};
use serde_json::{Value, json};

use crate::admin::{Patient, Person, administered, call, on_both, text, until};

on_both! {
    f07_a_store_that_dies_under_load_costs_no_call_and_heals_alone,
    t15_a_stolen_store_holds_no_secret,
}

/// Calls all the time, while `work` is done; every one has to be answered.
fn under_load<T>(gateway: &Gateway, key: &str, work: impl FnOnce() -> T) -> T {
    let (address, done) = (gateway.address(), AtomicBool::new(false));
    let (calls, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let answer = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = RawClient::connect(address);
                while !done.load(Ordering::Relaxed) {
                    let request =
                        format!("GET /t/ HTTP/1.1\r\nHost: test\r\nX-API-Key: {key}\r\n\r\n");
                    let answer = client.ask(request);
                    calls.fetch_add(1, Ordering::Relaxed);
                    failed.fetch_add(usize::from(answer.status != 200), Ordering::Relaxed);
                }
            });
        }
        // Also where it panics: the others are to end.
        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        answer
    });
    let answer = answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let (calls, failed) = (calls.into_inner(), failed.into_inner());
    assert_eq!(failed, 0, "of {calls} calls");
    assert!(calls > 10, "hardly anything was called");
    eprintln!("{calls} calls, none failed");
    answer
}

/// Asks for a change until the answer is that there is no store, or that there is one.
struct Asker<'g> {
    gate: Person<'g>,
    made: usize,
}

impl Asker<'_> {
    fn change(&mut self) -> Response {
        self.made += 1;
        let new = json!({ "name": format!("late-{}", self.made), "kind": "customer" });
        self.gate.ask("POST", "/organisations", "", Some(&new))
    }

    /// The change is refused, with what one has to know.
    #[track_caller]
    fn is_told_so(&mut self, how: &str) {
        let mut last = None;
        let refused = eventually(seconds(10), || {
            let answer = last.insert(self.change());
            answer.status != 201
        });
        let answer = last.unwrap();
        assert!(refused, "{how}: changes are still taken");
        assert_eq!(answer.status, 503, "{how}: {}", answer.text());
        assert_eq!(answer.get("retry-after"), Some("1"), "{how}");
        let said = answer.text();
        assert!(["ST0012", "ST0013", "ST0016"].iter().any(|code| said.contains(code)), "{said}");
        let inside = ["store.db", "postgres:", "sqlite", "/data"];
        assert!(!inside.iter().any(|word| said.contains(word)), "{how}: {said}");
    }

    #[track_caller]
    fn is_served_again(&mut self, how: &str) {
        let mut last = String::new();
        let healed = eventually(seconds(15), || {
            let answer = self.change();
            last = answer.text();
            answer.status == 201
        });
        assert!(healed, "{how}: {last}");
    }
}

fn f07_a_store_that_dies_under_load_costs_no_call_and_heals_alone(storage: &str) {
    let upstream = Upstream::ok("ok");
    let gateway = administered(storage, &upstream).start();
    let gate = Person::first(&gateway);
    let (owner, made, key) = gate.partner("acme");
    until(&gateway, "/t/", &key, 200);
    let app = text(&made["app"], "id");
    let issue =
        |label: &str| owner.post(&format!("/applications/{app}/keys"), json!({ "label": label }));
    let mut asker = Asker { gate, made: 0 };
    let patient = Patient::new(storage, &gateway);
    under_load(&gateway, &key, || {
        for death in patient.deaths() {
            (death.comes)(&patient);
            asker.is_told_so(death.name);
            assert!(
                eventually(seconds(5), || gateway.metric("pasarela_store_up") as u8 == 0),
                "{}",
                death.name
            );
            (death.goes)(&patient);
            asker.is_served_again(death.name);
            assert!(eventually(seconds(5), || gateway.metric("pasarela_store_up") as u8 == 1));
            // What was given before the death is there, and what is given now is served.
            let new = text(&issue(death.name), "secret");
            until(&gateway, "/t/", &new, 200);
        }
    });
}

/// A way to die, and back.
struct Death {
    name: &'static str,
    comes: fn(&Patient),
    goes: fn(&Patient),
}

impl Patient {
    fn deaths(&self) -> Vec<Death> {
        if self.database.is_some() {
            let one = Death { name: "stopped", comes: Self::dies, goes: Self::is_well_again };
            return vec![one];
        }
        vec![
            Death { name: "removed", comes: Self::is_taken_away, goes: Self::is_put_back },
            Death { name: "emptied", comes: Self::is_emptied, goes: Self::is_put_back },
            Death { name: "garbage", comes: Self::is_garbage, goes: Self::is_put_back },
            Death {
                name: "replaced by garbage",
                comes: Self::is_other_garbage,
                goes: Self::is_put_back,
            },
        ]
    }

    fn away(&self) -> PathBuf {
        self.file.with_file_name("away")
    }

    /// All its files, where they are and where they are kept.
    fn files(&self) -> [(PathBuf, PathBuf); 3] {
        ["db", "db-wal", "db-shm"].map(|ending| {
            let file = self.file.with_extension(ending);
            let away = self.away().join(file.file_name().unwrap());
            (file, away)
        })
    }

    fn is_taken_away(&self) {
        fs::create_dir_all(self.away()).unwrap();
        for (file, away) in self.files() {
            fs::rename(file, away).unwrap();
        }
    }

    /// Another, empty file in its place.
    fn is_emptied(&self) {
        self.is_taken_away();
        fs::write(&self.file, b"").unwrap();
    }

    fn is_other_garbage(&self) {
        self.is_taken_away();
        fs::write(&self.file, vec![b'x'; 100_000]).unwrap();
    }

    /// In place: the process has the file open.
    fn is_garbage(&self) {
        fs::create_dir_all(self.away()).unwrap();
        for (file, away) in self.files() {
            fs::copy(&file, &away).unwrap();
            let length = fs::metadata(&file).unwrap().len() as usize;
            fs::write(&file, vec![b'x'; length]).unwrap();
        }
    }

    fn is_put_back(&self) {
        for (file, away) in self.files() {
            // Whatever stands there now.
            let _ = fs::remove_file(&file);
            if !file.ends_with("store.db-shm") {
                fs::copy(&away, &file).unwrap();
            }
        }
    }
}

#[test]
fn f06_a_full_disk_costs_no_call_and_heals() {
    let upstream = Upstream::ok("ok");
    let builder = administered("storage: sqlite:./data", &upstream);
    let Some(disk) = Disk::new(builder.folder().join("data"), "6m") else { return };
    let gateway = builder.start();
    let gate = Person::first(&gateway);
    let (owner, made, key) = gate.partner("acme");
    until(&gateway, "/t/", &key, 200);
    let mut asker = Asker { gate, made: 0 };
    under_load(&gateway, &key, || {
        disk.fill();
        asker.is_told_so("full");
        disk.make_room();
        asker.is_served_again("full");
        let app = text(&made["app"], "id");
        let new = owner.post(&format!("/applications/{app}/keys"), json!({ "label": "new" }));
        until(&gateway, "/t/", &text(&new, "secret"), 200);
    });
    // What is kept for a start without the store is written again as well.
    let at = fs::metadata(disk.folder.join("held.1")).unwrap().modified().unwrap();
    let again = || fs::metadata(disk.folder.join("held.1")).unwrap().modified().unwrap() > at;
    assert!(eventually(seconds(10), || {
        asker.is_served_again("full");
        again()
    }));
    drop(gateway);
}

/// A small disk of its own.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// `None`, with a word on standard error, where the system lets nobody mount one.
    fn new(folder: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "pasarela-test"]).arg(&folder);
        if !mount.output().is_ok_and(|done| done.status.success()) {
            eprintln!("left out: a small disk cannot be mounted here");
            return None;
        }
        Some(Self { folder })
    }

    fn fill(&self) {
        let file = fs::File::create(self.folder.join("filler")).unwrap();
        let mut length = 8 << 20;
        // All that there is, to the last page.
        while length >= 4_096 {
            match std::io::copy(&mut std::io::Read::take(std::io::repeat(1), length), &mut &file) {
                Ok(_) => {}
                Err(_) => length /= 2,
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Even if somebody still has a file open there.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).output();
    }
}

fn t15_a_stolen_store_holds_no_secret(storage: &str) {
    use sha2::Digest as _;

    let upstream = Upstream::ok("ok");
    let gateway = administered(storage, &upstream).start();
    let gate = Person::first(&gateway);
    let (owner, made, key) = gate.partner("acme");
    let organisation = text(&made["organisation"], "id");
    let invitation = gate.post(
        &format!("/organisations/{organisation}/invitations"),
        json!({ "email": "eva@example.org", "role": "viewer" }),
    );
    let rotated = owner.post(
        &format!("/keys/{}/rotate", text(&made["key"], "id")),
        json!({ "overlap_seconds": 60 }),
    );
    let new = text(&rotated, "secret");
    until(&gateway, "/t/", &new, 200);
    let secrets = [key, new, gate.token.clone(), owner.token.clone(), text(&invitation, "secret")];
    let kept = gateway.folder().join("data/held.1");
    let mut stolen = eventually_read(&kept, b"acme");
    stolen.extend(dump(storage, &gateway));
    // It is all there, but for what lets somebody in.
    let holds = |wanted: &[u8]| contains(&stolen, wanted);
    assert!(holds(b"eva@example.org") && holds(b"acme") && holds(b"psk_"));
    for secret in &secrets {
        let digest = sha2::Sha256::digest(secret.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        for wanted in [secret.as_bytes(), &secret.as_bytes()[8..30], &digest[..], hex.as_bytes()] {
            assert!(!holds(wanted), "a secret, or its plain digest, is in what was stolen");
        }
    }
    // With the pepper it would be found.
    let pepper = fs::read_to_string(gateway.folder().join("data/pepper")).unwrap();
    let bits: [u8; 32] = std::array::from_fn(|place| {
        u8::from_str_radix(&pepper[2 * place..2 * place + 2], 16).unwrap()
    });
    let digest = pasarela_model::KeyDigest(sha2::Sha256::digest(secrets[1].as_bytes()).into());
    let known = pasarela_model::Pepper::new(&bits).of(&digest).0;
    let hex: String = known.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(holds(&known) || holds(hex.as_bytes()));
    assert_eq!(call(&gateway, "/t/", &hex), 401);
}

/// A file, once it holds something.
fn eventually_read(file: &std::path::Path, wanted: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    assert!(eventually(seconds(5), || {
        read = fs::read(file).unwrap_or_default();
        contains(&read, wanted)
    }));
    read
}

fn contains(all: &[u8], wanted: &[u8]) -> bool {
    all.windows(wanted.len()).any(|part| part == wanted)
}

/// All that is in the store.
fn dump(storage: &str, gateway: &Gateway) -> Vec<u8> {
    let place = storage.strip_prefix("storage: ").unwrap();
    if place.starts_with("postgres:") {
        let programs = std::env::var("PASARELA_POSTGRES_BIN").unwrap();
        let mut dump = Command::new(format!("{programs}/pg_dump"));
        let done = dump.arg(place).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        return done.stdout;
    }
    let data = gateway.folder().join("data");
    ["store.db", "store.db-wal"].map(|name| fs::read(data.join(name)).unwrap_or_default()).concat()
}

#[test]
fn l31_a_gateway_that_has_lost_its_pepper_says_what_is_missing() {
    let upstream = Upstream::ok("ok");
    let storage = "storage: sqlite:./data";
    let gateway = administered(storage, &upstream).start();
    Person::first(&gateway);
    let data = gateway.folder().join("data");
    let store = |words: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_pasarela"))
            .args(["store", "check", "--data"])
            .arg(&data)
            .args(words)
            .output()
            .unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    assert!(store(&[]).0);
    fs::rename(data.join("pepper"), data.join("elsewhere")).unwrap();
    let (fine, said) = store(&[]);
    assert!(!fine && said.contains("is missing at") && said.contains("backup"), "{said}");
    let value: Value = json!(data.join("elsewhere"));
    let done = Command::new(env!("CARGO_BIN_EXE_pasarela"))
        .args(["store", "check", "--data"])
        .arg(&data)
        .env("PASARELA_PEPPER_FILE", value.as_str().unwrap())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
