//! Memory mappings of a process that crashed: the object of an address and the position in its
//! file.
//!
//! systemd-coredump stores `/proc/PID/maps` as the kernel wrote it, so the text is trusted; the
//! process can only choose what it maps. Lines that make no sense are skipped. Before systemd 258
//! the text ends after 4 KB (systemd#36131), which is some seven libraries; the core lists all
//! files, without their inode numbers.

use std::ops::Range;

/// Suffix that the kernel appends to the path of a deleted file.
const DELETED: &str = " (deleted)";

/// The objects that a process had mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryMap(Vec<Mapping>);

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mapping {
    start: u64,
    /// First address after it.
    end: u64,
    offset: u64,
    inode: Option<u64>,
    path: String,
}

/// A part of a file that was mapped, as listed in the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedFile {
    /// Its addresses.
    pub addresses: Range<u64>,
    /// Offset of its beginning in the file.
    pub offset: u64,
    /// Path of the file.
    pub path: String,
}

/// Object and position of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path of the object, or the kernel's name for a mapping that is no file: `[vdso]`.
    pub object: String,
    /// Position in the object's file; `None` for a mapping that is no file, or a deleted one.
    pub spot: Option<Spot>,
}

/// A position in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The file's inode number, if known: a different one at the same path means a different file.
    pub inode: Option<u64>,
    /// Offset of the byte.
    pub offset: u64,
}

impl MemoryMap {
    /// Parses the text of `/proc/PID/maps`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(Mapping::parse).collect())
    }

    /// Adds the files that the core lists; mappings known already take precedence.
    #[must_use]
    pub fn with(mut self, files: Vec<MappedFile>) -> Self {
        let mappings = files.into_iter().map(
            |MappedFile {
                 addresses: Range { start, end },
                 offset,
                 path,
             }| Mapping {
                start,
                end,
                offset,
                inode: None,
                path,
            },
        );
        self.0.extend(mappings);
        self
    }

    /// Returns object and position of `address`; `None` in memory that belongs to no object.
    #[must_use]
    pub fn place(&self, address: u64) -> Option<Place> {
        let mapping = self
            .0
            .iter()
            .find(|mapping| (mapping.start..mapping.end).contains(&address))?;
        let Mapping {
            start,
            offset,
            inode,
            path,
            ..
        } = mapping;
        if let Some(object) = path.strip_suffix(DELETED) {
            return Some(Place {
                object: object.to_owned(),
                spot: None,
            });
        }
        let spot = Spot {
            inode: *inode,
            offset: offset.checked_add(address - start)?,
        };
        Some(Place {
            object: path.clone(),
            spot: path.starts_with('/').then_some(spot),
        })
    }
}

impl Mapping {
    /// Parses `55d7cffa0000-55d7cffb3000 r--p 00000000 00:29 40   /opt/bin/panics`. Memory without
    /// a name belongs to no object.
    fn parse(line: &str) -> Option<Self> {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let (_permissions, rest) = rest.split_once(' ')?;
        let (offset, rest) = rest.split_once(' ')?;
        let (_device, rest) = rest.split_once(' ')?;
        let (inode, path) = rest.split_once(' ')?;
        let path = path.trim_start_matches(' ');
        (!path.is_empty()).then_some(Self {
            start: hexadecimal(start)?,
            end: hexadecimal(end)?,
            offset: hexadecimal(offset)?,
            inode: Some(inode.parse().ok()?),
            path: path.to_owned(),
        })
    }
}

/// Parses a hexadecimal number without a prefix.
fn hexadecimal(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
00400000-00401000 r--p 00000000 00:29 36                                 /opt/bin/fixed
00401000-00402000 r-xp 00001000 00:29 36                                 /opt/bin/fixed
7f3f82bdb000-7f3f82bde000 rw-p 00000000 00:00 0 
7f3f82c04000-7f3f82d5a000 r-xp 00026000 00:29 903400                     /usr/lib/x86_64-linux-gnu/libc.so.6
7f3f82e00000-7f3f82e01000 r-xp 00002000 fd:01 77                         /opt/with space/gone.so (deleted)
7f3f82f00000-7f3f82f01000 r-xp fffffffffffff000 fd:01 78                 /opt/absurd
7f1d22377000-7f1d22379000 r-xp 00000000 00:00 0                          [vdso]
no line of this file
";

    #[test]
    fn an_address_is_found_in_its_file() {
        let map = MemoryMap::parse(MAPS);
        for (address, object, spot) in [
            (0x40_0000, "/opt/bin/fixed", Some((36, 0))),
            (0x40_1106, "/opt/bin/fixed", Some((36, 0x1106))),
            (
                0x7f3f_82d5_9fff,
                "/usr/lib/x86_64-linux-gnu/libc.so.6",
                Some((903_400, 0x17_bfff)),
            ),
            (0x7f3f_82e0_0010, "/opt/with space/gone.so", None),
            (0x7f1d_2237_7000, "[vdso]", None),
        ] {
            let spot = spot.map(|(inode, offset)| Spot {
                inode: Some(inode),
                offset,
            });
            assert_eq!(
                map.place(address),
                Some(Place {
                    object: object.into(),
                    spot
                }),
                "{address:#x}"
            );
        }
    }

    #[test]
    fn the_core_fills_in_what_is_missing() {
        let file = |start: u64, path: &str| MappedFile {
            addresses: start..start + 0x1000,
            offset: 0x3000,
            path: path.into(),
        };
        let map = MemoryMap::parse(MAPS).with(vec![
            file(0x40_0000, "/opt/other"),
            file(0x7000_0000, "/opt/more"),
        ]);
        let more = Place {
            object: "/opt/more".into(),
            spot: Some(Spot {
                inode: None,
                offset: 0x3007,
            }),
        };
        assert_eq!(map.place(0x7000_0007), Some(more));
        assert_eq!(map.place(0x40_0000).unwrap().object, "/opt/bin/fixed");
    }

    #[test]
    fn an_address_outside_of_all_objects_has_no_place() {
        let map = MemoryMap::parse(MAPS);
        for address in [
            0,
            0x3f_ffff,
            0x40_2000,
            0x7f3f_82bd_c000,
            0x7f3f_82f0_0000 + 0xfff + 1,
            u64::MAX,
        ] {
            assert_eq!(map.place(address), None, "{address:#x}");
        }
    }
}
