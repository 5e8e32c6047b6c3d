//! A reader that is read by a thread of its own: decompression goes on while the rows before are taken apart.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// How much is handed over at once, in bytes.
const BLOCK_BYTES: usize = 256 * 1024;
/// How many blocks wait at most.
const BLOCKS_WAITING: usize = 4;

/// Bytes of a block, and how many of them count; none at the end.
type Block = (Vec<u8>, usize);

/// What another thread reads ahead.
pub(super) struct ReadAhead {
    blocks: Receiver<io::Result<Block>>,
    /// Blocks that were read, to be filled anew.
    spent: Sender<Vec<u8>>,
    block: Block,
    at: usize,
    ended: bool,
}

impl ReadAhead {
    /// Begins to read. The thread ends with the source, at its first error, or when nobody reads any more.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn new(source: Box<dyn Read + Send>) -> io::Result<Self> {
        let (filled, blocks) = sync_channel(BLOCKS_WAITING);
        let (spent, empty) = channel();
        thread::Builder::new().name("decompress".to_owned()).spawn(move || fill(source, &filled, &empty))?;
        Ok(Self { blocks, spent, block: Block::default(), at: 0, ended: false })
    }
}

impl Read for ReadAhead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.1 && !self.ended {
            // A thread that ended without a word has panicked: what came so far is not all.
            let next = self.blocks.recv().map_err(|_| io::Error::other("decompression was cut off"))??;
            let (before, _) = std::mem::replace(&mut self.block, next);
            self.at = 0;
            self.ended = self.block.1 == 0;
            // Nobody takes it when the thread has ended.
            let _ = self.spent.send(before);
        }
        let available = &self.block.0[self.at..self.block.1];
        let length = available.len().min(out.len());
        out[..length].copy_from_slice(&available[..length]);
        self.at += length;
        Ok(length)
    }
}

fn fill(mut source: Box<dyn Read + Send>, filled: &SyncSender<io::Result<Block>>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut bytes = empty.try_recv().unwrap_or_default();
        bytes.resize(BLOCK_BYTES, 0);
        let mut length = 0;
        let mut outcome = Ok(());
        while length < BLOCK_BYTES {
            match source.read(&mut bytes[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        // What came before an error is handed over first.
        if length > 0 && filled.send(Ok((bytes, length))).is_err() {
            return;
        }
        let last = match outcome {
            Err(error) => Err(error),
            Ok(()) if length == 0 => Ok(Block::default()),
            Ok(()) => continue,
        };
        let _ = filled.send(last);
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces, then what it ends with.
    struct Source {
        left: usize,
        piece: usize,
        end: Option<io::Error>,
    }

    impl Read for Source {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 {
                return self.end.take().map_or(Ok(0), Err);
            }
            let length = self.left.min(self.piece).min(out.len());
            for (place, byte) in out[..length].iter_mut().enumerate() {
                *byte = ((self.left - place) % 251).to_le_bytes()[0];
            }
            self.left -= length;
            Ok(length)
        }
    }

    fn source(left: usize, piece: usize, end: Option<io::Error>) -> Box<Source> {
        Box::new(Source { left, piece, end })
    }

    #[test]
    fn bytes_come_as_they_are_whatever_the_pieces() {
        for length in [0, 1, 1000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 20 * BLOCK_BYTES + 7] {
            for piece in [777, BLOCK_BYTES, usize::MAX] {
                let (mut direct, mut ahead) = (Vec::new(), Vec::new());
                source(length, piece, None).read_to_end(&mut direct).unwrap();
                let mut reader = ReadAhead::new(source(length, piece, None)).unwrap();
                reader.read_to_end(&mut ahead).unwrap();
                assert!(direct == ahead, "{length} bytes in pieces of {piece}");
                assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0, "the end stays the end");
            }
        }
    }

    #[test]
    fn an_error_comes_after_the_bytes_before_it() {
        for length in [0, 5, BLOCK_BYTES, 3 * BLOCK_BYTES + 1] {
            let mut reader = ReadAhead::new(source(length, 1000, Some(io::Error::other("broken")))).unwrap();
            let mut bytes = Vec::new();
            assert_eq!(reader.read_to_end(&mut bytes).unwrap_err().to_string(), "broken");
            assert_eq!(bytes.len(), length);
        }
    }

    #[test]
    fn a_thread_that_panics_is_no_end() {
        struct Panicking;
        impl Read for Panicking {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("for the test")
            }
        }
        let mut reader = ReadAhead::new(Box::new(Panicking)).unwrap();
        assert!(reader.read(&mut [0; 8]).unwrap_err().to_string().contains("cut off"));
    }
}
