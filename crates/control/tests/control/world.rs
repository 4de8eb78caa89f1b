//! A gateway's store with people in it: the gate, the partners acme and bolt, each role in each.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use pasarela_control::{
    Answer, ApiTerms, Call, Control, Error, Offer, OfferedApi, ReadApi, Reader, ReadyApi, digest,
};
use pasarela_model::{
    Api, ApiId, Id, OrganisationKind, Pepper, Secret, Timestamp, Upstream, UpstreamTarget,
    Visibility,
};
use pasarela_store::{ApiState, Member, Organisation, Place, Role, Standing, Store, Token};

/// The store, its people, and a clock that is told.
pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) gate: Organisation,
    pub(crate) acme: Organisation,
    pub(crate) bolt: Organisation,
    pub(crate) place: Place,
    now: AtomicI64,
    _folder: Option<tempfile::TempDir>,
}

/// Chance that is none: every draw differs, every run is the same.
pub(crate) fn seed() -> [u8; 32] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    seed
}

pub(crate) fn id<I: Id>() -> I {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&seed()[..8]);
    I::new(Timestamp::from_millis(1), random)
}

/// What the file of these tests offers.
pub(crate) fn offer() -> Offer {
    let api = |name: &str, visibility, plans: &[&str]| OfferedApi {
        name: name.to_owned(),
        visibility,
        plans: plans.iter().map(|plan| (*plan).to_owned()).collect(),
        route: format!("/{name}/"),
        state: ApiState::Published,
        id: None,
    };
    Offer {
        apis: vec![
            api("rates/v2", Visibility::Public, &["free"]),
            api("tracking/v1", Visibility::Partner, &["carrier"]),
            api("ledger/v1", Visibility::Private, &["inside"]),
        ],
        plans: ["free", "carrier", "inside"].map(str::to_owned).to_vec(),
        organisations: vec!["filed".to_owned()],
        internal: true,
    }
}

/// What secrets are mixed with here.
pub(crate) fn pepper() -> Pepper {
    Pepper::new(&[7; 32])
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Sqlite(folder.path().to_owned());
        Self::at(place, Some(folder)).await
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let url = pasarela_testkit::postgres_database()?;
        Some(Self::at(Place::Postgres(Secret::new(url)), None).await)
    }

    async fn at(place: Place, folder: Option<tempfile::TempDir>) -> Self {
        let store = Store::open(&place, &pepper()).await.unwrap();
        let organisation = |name: &str, kind| Organisation {
            id: id(),
            version: 1,
            name: name.to_owned(),
            kind,
            standing: Standing::Active,
            created: Timestamp::from_millis(1),
        };
        let world = Self {
            gate: organisation("gate", OrganisationKind::Owner),
            acme: organisation("acme", OrganisationKind::Partner),
            bolt: organisation("bolt", OrganisationKind::Partner),
            control: Control::new(store, offer()),
            place,
            now: AtomicI64::new(1_000_000),
            _folder: folder,
        };
        for organisation in [&world.gate, &world.acme, &world.bolt] {
            world.people(organisation).await;
        }
        world
    }

    /// One member of each role, each with a token.
    async fn people(&self, organisation: &Organisation) {
        let organisation = organisation.clone();
        let done = self.control.store().write(move |tx| {
            Box::pin(async move {
                tx.insert(&organisation, "").await?;
                for role in Role::ALL {
                    let member = member(&organisation, *role, role.as_str());
                    tx.insert(&member, "").await?;
                    let shown = token(&organisation.name, *role);
                    let token = Token {
                        id: id(),
                        version: 1,
                        member: member.id.clone(),
                        label: String::new(),
                        digest: tx.peppered(&digest(&shown)),
                        created: Timestamp::from_millis(1),
                        expires: None,
                        revoked: None,
                    };
                    tx.insert(&token, "").await?;
                }
                Ok::<_, pasarela_store::Error>(())
            })
        });
        done.await.unwrap();
    }

    /// A call of the member with this role there.
    pub(crate) fn by(&self, whose: &Organisation, role: Role) -> Call {
        self.with(&token(&whose.name, role))
    }

    /// A call with this token.
    pub(crate) fn with(&self, token: &str) -> Call {
        Call::new(digest(token), self.now(), seed())
    }

    /// The same, having read this version.
    pub(crate) fn at_version(mut call: Call, version: i64) -> Call {
        call.version = Some(version);
        call
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    pub(crate) fn later(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    /// An API of the store, on the air.
    pub(crate) async fn api(&self, name: &str) -> ApiId {
        let call = self.by(&self.gate, Role::Owner);
        let made = self.control.create_api(call, read_api(name), ApiTerms::default()).await;
        id_of(&made.unwrap())
    }

    /// An application of an organisation, made by its developer.
    pub(crate) async fn application(&self, of: &Organisation, name: &str) -> Answer {
        let call = self.by(of, Role::Developer);
        self.control.create_application(call, of.id.clone(), name.to_owned()).await.unwrap()
    }
}

/// An API at its own place, as a reader of definitions would give it.
pub(crate) fn read_api(name: &str) -> ReadApi {
    ReadApi {
        name: name.to_owned(),
        major: 1,
        visibility: Visibility::Public,
        plans: Vec::new(),
        route: format!("/{name}/v1/"),
        definition: serde_json::json!({ "name": name, "version": 1 }),
        documents: format!("[] of {name}"),
    }
}

/// A reader of such definitions; their plans are in them.
pub(crate) fn reader() -> Reader {
    Arc::new(|held| {
        let upstream = Upstream::of(vec![UpstreamTarget::plain("127.0.0.1", 9)]);
        let name = &held.api.name;
        let api = Api { visibility: Visibility::Public, ..Api::new(name, 1, upstream) };
        assert_eq!(api.version, 1, "{}", held.documents);
        let plans = held.api.plans.split_whitespace().map(str::to_owned).collect();
        Ok(Arc::new(ReadyApi { api, plans }))
    })
}

pub(crate) fn member(of: &Organisation, role: Role, name: &str) -> Member {
    Member {
        id: id(),
        version: 1,
        organisation: of.id.clone(),
        email: format!("{name}@{}.example", of.name),
        role,
        created: Timestamp::from_millis(1),
    }
}

fn token(organisation: &str, role: Role) -> String {
    format!("pst_{organisation}_{}", role.as_str())
}

/// A part of an answer that is a text.
pub(crate) fn text(answer: &Answer, field: &str) -> String {
    answer.body[field].as_str().unwrap_or_default().to_owned()
}

/// The id in an answer.
pub(crate) fn id_of<I: Id>(answer: &Answer) -> I {
    text(answer, "id").parse().unwrap_or_else(|_| panic!("no id in {}", answer.body))
}

/// One letter for what became of a call; see `access.txt`.
pub(crate) fn letter<T: std::fmt::Debug>(done: &Result<T, Error>) -> char {
    match done {
        Ok(_) => '+',
        Err(Error::Forbidden) => '-',
        Err(Error::NotFound { .. }) => '0',
        Err(Error::State { .. } | Error::Invalid { .. }) => '!',
        Err(other) => panic!("no cell has this: {other:?}"),
    }
}
