//! WS-Addressing 1.0, and its submission of August 2004: where a message says that it goes, what it is about, and where answers
//! should go.

use crate::xml::{IllegalChar, Writer};

/// The namespace of WS-Addressing 1.0.
pub const WSA: &str = "http://www.w3.org/2005/08/addressing";
/// The namespace of the submission.
pub const WSA2004: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// The address of whoever is at the other end of the connection.
const ANONYMOUS: [&str; 2] = [
    "http://www.w3.org/2005/08/addressing/anonymous",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous",
];
/// The address of nobody.
const NONE: &str = "http://www.w3.org/2005/08/addressing/none";

/// What the header blocks of WS-Addressing say. What is empty was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addressing {
    /// The namespace that was used; empty when there was none of these blocks.
    pub namespace: &'static str,
    /// What the message is.
    pub action: String,
    /// Its id.
    pub message_id: String,
    /// Where it goes.
    pub to: String,
    /// The messages it answers.
    pub relates_to: Vec<String>,
    /// The address of where answers should go.
    pub reply_to: String,
    /// The address of where faults should go.
    pub fault_to: String,
    /// The address of whence it comes.
    pub from: String,
}

impl Addressing {
    /// Whether the message uses WS-Addressing.
    pub fn is_used(&self) -> bool {
        !self.namespace.is_empty()
    }

    /// The addresses that it wants us to send to and that are not the other end of the connection: each is a request to connect somewhere,
    /// which is refused unless somebody allowed it.
    pub fn foreign_addresses(&self) -> impl Iterator<Item = &str> {
        let wanted = [self.reply_to.as_str(), self.fault_to.as_str(), self.from.as_str()];
        wanted.into_iter().filter(|address| {
            !address.is_empty() && *address != NONE && !ANONYMOUS.contains(address)
        })
    }

    /// Takes up a block that has ended, with its own text.
    ///
    /// # Errors
    /// In words, when a block is there twice, or two versions are mixed.
    pub(super) fn block(&mut self, namespace: &str, local: &str, text: &str) -> Result<(), String> {
        let Some(used) = [WSA, WSA2004].into_iter().find(|known| *known == namespace) else {
            return Ok(());
        };
        if self.is_used() && self.namespace != used {
            return Err("two versions of WS-Addressing in one message".into());
        }
        self.namespace = used;
        let field = match local {
            "Action" => &mut self.action,
            "MessageID" => &mut self.message_id,
            "To" => &mut self.to,
            "RelatesTo" => {
                self.relates_to.push(text.to_owned());
                return Ok(());
            }
            _ => return Ok(()),
        };
        if !field.is_empty() {
            return Err(format!("the header block {local} stands here twice"));
        }
        if text.is_empty() {
            return Err(format!("the header block {local} is empty"));
        }
        field.push_str(text);
        Ok(())
    }

    /// Takes up the address of an endpoint. A second one is joined to the first, so that it is no known one.
    pub(super) fn address(&mut self, around: &str, text: &str) {
        let field = match around {
            "ReplyTo" => &mut self.reply_to,
            "FaultTo" => &mut self.fault_to,
            "From" => &mut self.from,
            _ => return,
        };
        if !field.is_empty() {
            field.push(' ');
        }
        field.push_str(text);
    }

    /// Writes the blocks of the answer to this message into the header that is open.
    ///
    /// # Errors
    /// When the ids cannot be written in XML; they can when they were read from it.
    pub fn write_answer(
        &self,
        writer: &mut Writer,
        action: &str,
        message_id: &str,
    ) -> Result<(), IllegalChar> {
        if !self.is_used() {
            return Ok(());
        }
        let blocks =
            [("Action", action), ("MessageID", message_id), ("RelatesTo", &self.message_id)];
        for (local, text) in blocks {
            if !text.is_empty() {
                writer.start_in(self.namespace, local, "wsa");
                writer.text(text)?;
                writer.end();
            }
        }
        Ok(())
    }
}
