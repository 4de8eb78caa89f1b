//! All that the gateway can serve from, read in one instant; and as bytes, for a node whose store is dead.

use pasarela_model::{ApplicationId, KeyDigest, KeyId, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{
    Application, Error, Noun, Organisation, Plan, PlanVersion, Subscription, Tx,
    column::Column as _,
    engine::{Row, Value},
    noun::{Columns, Seal},
};

/// What the gateway can serve from. There are no secrets in it: keys are digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    /// How many changes led to it.
    pub generation: i64,
    /// The last entry of the audit log that is in it; 0: none.
    pub audited: i64,
    /// That entry's seal: by it the log is known to be the same one.
    pub seal: [u8; 32],
    /// Everybody.
    pub organisations: Vec<Organisation>,
    /// All applications, by id.
    pub applications: Vec<Application>,
    /// All keys that were not revoked, application by application.
    pub keys: Vec<HeldKey>,
    /// All plans.
    pub plans: Vec<Plan>,
    /// The terms that somebody is on.
    pub versions: Vec<PlanVersion>,
    /// All subscriptions.
    pub subscriptions: Vec<Subscription>,
}

/// What it takes to let a key in; there may be a million.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKey {
    /// Whose it is: an index into [`Holding::applications`].
    pub application: usize,
    /// SHA-256 of it.
    pub digest: KeyDigest,
    /// From when on it is of no use.
    pub expires: Option<Timestamp>,
}

impl HeldKey {
    fn values(&self) -> Vec<Value> {
        let application = i64::try_from(self.application).unwrap_or(i64::MAX);
        vec![application.to_value(), self.digest.to_value(), self.expires.to_value()]
    }

    fn read(mut row: Row) -> Result<Self, Error> {
        let application = usize::try_from(row.take::<i64>()?).map_err(|_| cut())?;
        Ok(Self { application, digest: row.take()?, expires: row.take()? })
    }
}

/// Keys that are read at a time.
const PART: i64 = 10_000;

impl Tx {
    /// All that the gateway can serve from.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn holding(&mut self) -> Result<Holding, Error> {
        let applications = self.every().await?;
        let (audited, seal) = self.audit_head().await?;
        Ok(Holding {
            generation: self.generation().await?,
            audited,
            seal,
            organisations: self.every().await?,
            keys: self.held_keys(&applications).await?,
            applications,
            plans: self.every().await?,
            versions: self.plan_versions_in_use().await?,
            subscriptions: self.every().await?,
        })
    }
}

impl Tx {
    /// Both lists are in the order of the application's id, so that one walk finds each one's place.
    async fn held_keys(&mut self, applications: &[Application]) -> Result<Vec<HeldKey>, Error> {
        let sql = "SELECT application, id, digest, expires FROM api_keys WHERE revoked IS NULL \
                   AND (application, id) > ($1, $2) ORDER BY application, id LIMIT $3";
        let (mut keys, mut place) = (Vec::new(), 0);
        let mut last = (String::new(), String::new());
        loop {
            let values = vec![last.0.to_value(), last.1.to_value(), PART.to_value()];
            let rows = self.query(sql, values).await?;
            let whole = rows.len() as i64 == PART;
            for mut row in rows {
                let (whose, id): (ApplicationId, KeyId) = (row.take()?, row.take()?);
                while applications.get(place).is_some_and(|one| one.id < whose) {
                    place += 1;
                }
                if applications.get(place).is_none_or(|one| one.id != whose) {
                    return Err(Error::Corrupt(format!("the key {id} belongs to nobody")));
                }
                keys.push(HeldKey {
                    application: place,
                    digest: row.take()?,
                    expires: row.take()?,
                });
                last = (whose.as_str().to_owned(), id.as_str().to_owned());
            }
            if !whole {
                return Ok(keys);
            }
        }
    }
}

/// The form's name; another form gets another number.
const MAGIC: &[u8] = b"pasarela-held-1\n";
const SUM: usize = 32;

impl Holding {
    /// As bytes, with a checksum at the end.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.generation.to_be_bytes());
        out.extend(self.audited.to_be_bytes());
        out.extend(self.seal);
        nouns(&mut out, &self.organisations);
        nouns(&mut out, &self.applications);
        rows(&mut out, self.keys.iter().map(HeldKey::values));
        nouns(&mut out, &self.plans);
        rows(&mut out, self.versions.iter().map(PlanVersion::values));
        nouns(&mut out, &self.subscriptions);
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
        Ok(Self {
            generation: i64::from_be_bytes(reader.take()?),
            audited: i64::from_be_bytes(reader.take()?),
            seal: reader.take()?,
            organisations: reader.nouns()?,
            applications: reader.nouns()?,
            keys: reader.rows(HeldKey::read)?,
            plans: reader.nouns()?,
            versions: reader.rows(PlanVersion::read)?,
            subscriptions: reader.nouns()?,
        })
    }
}

fn nouns<N: Noun>(out: &mut Vec<u8>, all: &[N]) {
    rows(out, all.iter().map(|one| one.write(Seal(())).0));
}

fn rows(out: &mut Vec<u8>, all: impl ExactSizeIterator<Item = Vec<Value>>) {
    out.extend((all.len() as u64).to_be_bytes());
    for row in all {
        out.extend((row.len() as u64).to_be_bytes());
        row.iter().for_each(|value| value_to(out, value));
    }
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
        out.extend((bytes.len() as u64).to_be_bytes());
        out.extend(bytes);
    }
}

fn cut() -> Error {
    Error::Corrupt("the end of what was kept is missing".to_owned())
}

/// What is still to be read.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(cut)?;
        self.0 = rest;
        Ok(*head)
    }

    fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(u64::from_be_bytes(self.take()?)).map_err(|_| cut())
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        let length = self.length()?;
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(head.to_vec())
    }

    fn value(&mut self) -> Result<Value, Error> {
        let [tag] = self.take()?;
        Ok(match tag {
            0 => Value::Int(None),
            1 => Value::Int(Some(i64::from_be_bytes(self.take()?))),
            2 => Value::Text(None),
            3 => Value::Text(Some(String::from_utf8(self.bytes()?).map_err(|_| cut())?)),
            4 => Value::Bytes(None),
            5 => Value::Bytes(Some(self.bytes()?)),
            _ => return Err(cut()),
        })
    }

    /// A length is believed no further than there are bytes: nothing is reserved for it.
    fn rows<T>(&mut self, read: impl Fn(Row) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        for _ in 0..self.length()? {
            let mut values = Vec::new();
            for _ in 0..self.length()? {
                values.push(self.value()?);
            }
            all.push(read(Row::new(values))?);
        }
        Ok(all)
    }

    fn nouns<N: Noun>(&mut self) -> Result<Vec<N>, Error> {
        self.rows(|row| N::read(Columns(row), Seal(())))
    }
}
