//! What the gateway can serve from as bytes, for a node whose store is dead: the whole with a checksum, and what changed since.
//!
//! Whoever keeps them (`admin::kept` in the binary) knows how they lie in files. A form that changes gets another [`MAGIC`]: what was kept
//! in another one is read from the store again.

use std::sync::Arc;

use pasarela_model::{KeyDigest, StoredKey, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{
    clients::HeldClient,
    delta::{Changed, Delta},
    holding::{HeldApi, HeldApplication, HeldSubscription, Holding, Mark, Shared, Terms},
    places::Places,
};
use crate::{
    Application, Error, Noun, PlanVersion,
    engine::{Row, Value},
    noun::{Columns, Seal},
};

/// The form's name; another form gets another number.
const MAGIC: &[u8] = b"pasarela-held-8\n";
const SUM: usize = 32;

impl Holding {
    /// As bytes, with a checksum at the end.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        mark_to(&mut out, &self.mark);
        rows(&mut out, self.apis.iter().map(HeldApi::values));
        rows(&mut out, self.organisations.iter().map(|(_, one)| one.write(Seal(())).0));
        rows(&mut out, self.plans.iter().map(|one| one.write(Seal(())).0));
        rows(&mut out, self.versions.iter().map(PlanVersion::values));
        length_to(&mut out, self.applications.len());
        for (_, held) in self.applications.iter() {
            application_to(&mut out, &held.application);
            length_to(&mut out, held.keys.len());
            held.keys.iter().for_each(|key| key_to(&mut out, key));
            length_to(&mut out, held.clients.len());
            held.clients.iter().for_each(|one| client_to(&mut out, one));
            length_to(&mut out, held.subscriptions.len());
            held.subscriptions.iter().for_each(|one| subscription_to(&mut out, one));
        }
        let sum = Sha256::digest(&out);
        out.extend(sum);
        out
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where they are not what [`Self::to_bytes`] has written, to the last one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (body, sum) =
            bytes.split_at_checked(bytes.len().saturating_sub(SUM)).ok_or_else(cut)?;
        if Sha256::digest(body).as_slice() != sum {
            return Err(Error::Corrupt("the checksum of what was kept".to_owned()));
        }
        let mut reader = Reader(body.strip_prefix(MAGIC).ok_or_else(cut)?);
        let mark = reader.mark()?;
        let apis = reader.rows(HeldApi::read)?;
        let organisations = Places::of_sorted(reader.rows(noun)?);
        let plans = reader.rows(noun)?;
        let versions = reader.rows(PlanVersion::read)?;
        let mut shared = Shared::default();
        let applications = reader.each(|reader| reader.application(&mut shared))?;
        let applications = Places::of_sorted(applications);
        Ok(Self { mark, apis, organisations, applications, plans, versions })
    }
}

impl Delta {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        mark_to(&mut out, &self.mark);
        length_to(&mut out, self.changes.len());
        for change in &self.changes {
            let (tag, row) = match change {
                Changed::Organisation(now) => (0, now.write(Seal(())).0),
                Changed::NoOrganisation(id) => (1, vec![id_value(id.as_str())]),
                Changed::Application(now) => (2, now.write(Seal(())).0),
                Changed::NoApplication(id) => (3, vec![id_value(id.as_str())]),
                Changed::Key(now) => (4, now.write(Seal(())).0),
                Changed::Plan(now) => (5, now.write(Seal(())).0),
                Changed::NoPlan(id) => (6, vec![id_value(id.as_str())]),
                Changed::Version(terms) => (7, terms.values()),
                Changed::Subscription(now) => (8, now.write(Seal(())).0),
                Changed::Api(now) => (9, now.values()),
                Changed::NoApi(id) => (10, vec![id_value(id.as_str())]),
                Changed::Client(now) => (11, now.write(Seal(())).0),
            };
            out.push(tag);
            row_to(&mut out, &row);
        }
        out
    }

    /// From bytes, whose checksum was looked at already.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where they are not what [`Self::to_bytes`] has written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        let mark = reader.mark()?;
        let changes = reader.each(|reader| {
            let [tag] = reader.take()?;
            let mut row = reader.row()?;
            Ok(match tag {
                0 => Changed::Organisation(noun(row)?),
                1 => Changed::NoOrganisation(row.take()?),
                2 => Changed::Application(noun(row)?),
                3 => Changed::NoApplication(row.take()?),
                4 => Changed::Key(noun(row)?),
                5 => Changed::Plan(noun(row)?),
                6 => Changed::NoPlan(row.take()?),
                7 => Changed::Version(PlanVersion::read(row)?),
                8 => Changed::Subscription(noun(row)?),
                9 => Changed::Api(HeldApi::read(row)?),
                10 => Changed::NoApi(row.take()?),
                11 => Changed::Client(noun(row)?),
                _ => return Err(cut()),
            })
        })?;
        Ok(Self { mark, changes })
    }
}

impl HeldApi {
    fn values(&self) -> Vec<Value> {
        let documents = Value::Text(Some(self.documents.to_string()));
        [documents].into_iter().chain(self.api.write(Seal(())).0).collect()
    }

    fn read(mut row: Row) -> Result<Self, Error> {
        let documents: String = row.take()?;
        Ok(Self { documents: documents.into(), api: noun(row)? })
    }
}

fn id_value(id: &str) -> Value {
    Value::Text(Some(id.to_owned()))
}

fn noun<N: Noun>(row: Row) -> Result<N, Error> {
    N::read(Columns(row), Seal(()))
}

fn mark_to(out: &mut Vec<u8>, mark: &Mark) {
    out.extend(mark.generation.to_be_bytes());
    out.extend(mark.audited.to_be_bytes());
    out.extend(mark.seal);
}

fn length_to(out: &mut Vec<u8>, length: usize) {
    out.extend((length as u64).to_be_bytes());
}

fn text_to(out: &mut Vec<u8>, text: &str) {
    length_to(out, text.len());
    out.extend(text.as_bytes());
}

/// Of these there are many, so they are not written as rows of values.
fn application_to(out: &mut Vec<u8>, it: &Application) {
    text_to(out, it.id.as_str());
    out.extend(it.version.to_be_bytes());
    text_to(out, it.organisation.as_str());
    text_to(out, &it.name);
    text_to(out, it.standing.as_str());
    out.extend(it.created.millis().to_be_bytes());
}

fn key_to(out: &mut Vec<u8>, key: &StoredKey) {
    out.extend(key.digest.0);
    out.extend(key.expires.millis().to_be_bytes());
}

fn client_to(out: &mut Vec<u8>, it: &HeldClient) {
    text_to(out, it.id.as_str());
    out.extend(it.expires.millis().to_be_bytes());
    length_to(out, it.secrets.len());
    it.secrets.iter().for_each(|secret| key_to(out, secret));
}

fn subscription_to(out: &mut Vec<u8>, it: &HeldSubscription) {
    text_to(out, it.id.as_str());
    text_to(out, &it.api);
    match &it.terms {
        Terms::OfFile(name) => {
            out.push(0);
            text_to(out, name);
        }
        Terms::OfStore(plan, number) => {
            out.push(1);
            text_to(out, plan);
            out.extend(number.to_be_bytes());
        }
    }
}

fn rows(out: &mut Vec<u8>, all: impl ExactSizeIterator<Item = Vec<Value>>) {
    length_to(out, all.len());
    all.for_each(|row| row_to(out, &row));
}

fn row_to(out: &mut Vec<u8>, row: &[Value]) {
    length_to(out, row.len());
    row.iter().for_each(|value| value_to(out, value));
}

fn value_to(out: &mut Vec<u8>, value: &Value) {
    let (tag, bytes): (u8, Option<&[u8]>) = match value {
        Value::Int(None) => (0, None),
        Value::Int(Some(number)) => {
            out.push(1);
            return out.extend(number.to_be_bytes());
        }
        Value::Text(None) => (2, None),
        Value::Text(Some(text)) => (3, Some(text.as_bytes())),
        Value::Bytes(None) => (4, None),
        Value::Bytes(Some(bytes)) => (5, Some(bytes)),
    };
    out.push(tag);
    if let Some(bytes) = bytes {
        length_to(out, bytes.len());
        out.extend(bytes);
    }
}

fn cut() -> Error {
    Error::Corrupt("the end of what was kept is missing".to_owned())
}

/// What is still to be read.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(cut)?;
        self.0 = rest;
        Ok(*head)
    }

    fn number(&mut self) -> Result<i64, Error> {
        self.take().map(i64::from_be_bytes)
    }

    fn mark(&mut self) -> Result<Mark, Error> {
        Ok(Mark { generation: self.number()?, audited: self.number()?, seal: self.take()? })
    }

    fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(u64::from_be_bytes(self.take()?)).map_err(|_| cut())
    }

    fn bytes(&mut self) -> Result<&'b [u8], Error> {
        let length = self.length()?;
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(head)
    }

    fn text(&mut self) -> Result<&'b str, Error> {
        std::str::from_utf8(self.bytes()?).map_err(|_| cut())
    }

    fn value(&mut self) -> Result<Value, Error> {
        let [tag] = self.take()?;
        Ok(match tag {
            0 => Value::Int(None),
            1 => Value::Int(Some(self.number()?)),
            2 => Value::Text(None),
            3 => Value::Text(Some(self.text()?.to_owned())),
            4 => Value::Bytes(None),
            5 => Value::Bytes(Some(self.bytes()?.to_vec())),
            _ => return Err(cut()),
        })
    }

    /// A length is believed no further than there are bytes: nothing is reserved for it.
    fn each<T>(
        &mut self,
        read: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let (mut all, mut read) = (Vec::new(), read);
        for _ in 0..self.length()? {
            all.push(read(self)?);
        }
        Ok(all)
    }

    fn row(&mut self) -> Result<Row, Error> {
        self.each(Self::value).map(Row::new)
    }

    fn rows<T>(&mut self, read: impl Fn(Row) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        self.each(|reader| read(reader.row()?))
    }

    fn application(&mut self, shared: &mut Shared) -> Result<HeldApplication, Error> {
        let application = Application {
            id: self.parsed()?,
            version: self.number()?,
            organisation: self.parsed()?,
            name: self.text()?.to_owned(),
            standing: self.parsed()?,
            created: Timestamp::from_millis(self.number()?),
        };
        let keys = self.keys()?;
        let clients = self.each(Self::client)?;
        let subscriptions = self.each(|reader| reader.subscription(shared))?;
        Ok(HeldApplication { application, keys, clients, subscriptions })
    }

    fn client(&mut self) -> Result<HeldClient, Error> {
        let (id, expires) = (self.parsed()?, Timestamp::from_millis(self.number()?));
        Ok(HeldClient { id, expires, secrets: self.keys()?.to_vec() })
    }

    fn parsed<T: std::str::FromStr>(&mut self) -> Result<T, Error> {
        self.text()?.parse().map_err(|_| cut())
    }

    fn keys(&mut self) -> Result<Arc<[StoredKey]>, Error> {
        const EACH: usize = 32 + 8;
        let length = self.length()?.checked_mul(EACH).ok_or_else(cut)?;
        let (keys, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        let (keys, _) = keys.as_chunks::<EACH>();
        let key = |bytes: &[u8; EACH]| {
            let mut reader = Reader(bytes);
            let digest = KeyDigest(reader.take().unwrap_or_default());
            let expires = Timestamp::from_millis(reader.number().unwrap_or_default());
            StoredKey { digest, expires }
        };
        Ok(match keys.is_empty() {
            // Nobody's keys are all the same.
            true => Arc::default(),
            false => keys.iter().map(key).collect(),
        })
    }

    fn subscription(&mut self, shared: &mut Shared) -> Result<HeldSubscription, Error> {
        let id = self.parsed()?;
        let api = shared.text(self.text()?);
        let [tag] = self.take()?;
        let name = shared.text(self.text()?);
        let terms = match tag {
            0 => Terms::OfFile(name),
            1 => Terms::OfStore(name, self.number()?),
            _ => return Err(cut()),
        };
        Ok(HeldSubscription { id, api, terms })
    }
}
