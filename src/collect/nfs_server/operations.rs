//! The operations of NFS by version and number: RFC 1094 (version 2), RFC 1813 (3), RFC 7530, 8881, 7862 and 8276 (4).

use std::borrow::Cow;

const V2: &[&str] = &[
    "NULL",
    "GETATTR",
    "SETATTR",
    "ROOT",
    "LOOKUP",
    "READLINK",
    "READ",
    "WRITECACHE",
    "WRITE",
    "CREATE",
    "REMOVE",
    "RENAME",
    "LINK",
    "SYMLINK",
    "MKDIR",
    "RMDIR",
    "READDIR",
    "STATFS",
];

const V3: &[&str] = &[
    "NULL",
    "GETATTR",
    "SETATTR",
    "LOOKUP",
    "ACCESS",
    "READLINK",
    "READ",
    "WRITE",
    "CREATE",
    "MKDIR",
    "SYMLINK",
    "MKNOD",
    "REMOVE",
    "RMDIR",
    "RENAME",
    "LINK",
    "READDIR",
    "READDIRPLUS",
    "FSSTAT",
    "FSINFO",
    "PATHCONF",
    "COMMIT",
];

/// The procedures of version 4: all operations are parts of a COMPOUND.
const V4: &[&str] = &["NULL", "COMPOUND"];

/// The operations of version 4; 0 to 2 do not exist.
const V4_OPERATIONS: &[&str] = &[
    "0",
    "1",
    "2",
    "ACCESS",
    "CLOSE",
    "COMMIT",
    "CREATE",
    "DELEGPURGE",
    "DELEGRETURN",
    "GETATTR",
    "GETFH",
    "LINK",
    "LOCK",
    "LOCKT",
    "LOCKU",
    "LOOKUP",
    "LOOKUPP",
    "NVERIFY",
    "OPEN",
    "OPENATTR",
    "OPEN_CONFIRM",
    "OPEN_DOWNGRADE",
    "PUTFH",
    "PUTPUBFH",
    "PUTROOTFH",
    "READ",
    "READDIR",
    "READLINK",
    "REMOVE",
    "RENAME",
    "RENEW",
    "RESTOREFH",
    "SAVEFH",
    "SECINFO",
    "SETATTR",
    "SETCLIENTID",
    "SETCLIENTID_CONFIRM",
    "VERIFY",
    "WRITE",
    "RELEASE_LOCKOWNER",
    "BACKCHANNEL_CTL",
    "BIND_CONN_TO_SESSION",
    "EXCHANGE_ID",
    "CREATE_SESSION",
    "DESTROY_SESSION",
    "FREE_STATEID",
    "GET_DIR_DELEGATION",
    "GETDEVICEINFO",
    "GETDEVICELIST",
    "LAYOUTCOMMIT",
    "LAYOUTGET",
    "LAYOUTRETURN",
    "SECINFO_NO_NAME",
    "SEQUENCE",
    "SET_SSV",
    "TEST_STATEID",
    "WANT_DELEGATION",
    "DESTROY_CLIENTID",
    "RECLAIM_COMPLETE",
    "ALLOCATE",
    "COPY",
    "COPY_NOTIFY",
    "DEALLOCATE",
    "IO_ADVISE",
    "LAYOUTERROR",
    "LAYOUTSTATS",
    "OFFLOAD_CANCEL",
    "OFFLOAD_STATUS",
    "READ_PLUS",
    "SEEK",
    "WRITE_SAME",
    "CLONE",
    "GETXATTR",
    "SETXATTR",
    "LISTXATTRS",
    "REMOVEXATTR",
];

/// The prefixes of the lines of `/proc/net/rpc/nfsd`, with the version of their operations as it is recorded.
pub const LINES: &[(&[u8], &str)] = &[(b"proc2", "v2"), (b"proc3", "v3"), (b"proc4", V4_CALLS), (b"proc4ops", "v4")];

/// The version of the procedures of version 4.
const V4_CALLS: &str = "v4 calls";

/// The name of an operation, or its number where it is newer than this list.
pub fn name(version: &str, number: u32) -> Cow<'static, str> {
    let names = match version {
        "v2" => V2,
        "v3" => V3,
        V4_CALLS => V4,
        _ => V4_OPERATIONS,
    };
    names.get(number as usize).map_or_else(|| number.to_string().into(), |name| (*name).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers as in the RFCs.
    #[test]
    fn names_have_their_numbers() {
        for (version, number, expected) in [
            ("v2", 6, "READ"),
            ("v2", 17, "STATFS"),
            ("v3", 6, "READ"),
            ("v3", 17, "READDIRPLUS"),
            ("v3", 21, "COMMIT"),
            ("v4 calls", 1, "COMPOUND"),
            ("v4", 3, "ACCESS"),
            ("v4", 18, "OPEN"),
            ("v4", 25, "READ"),
            ("v4", 38, "WRITE"),
            ("v4", 39, "RELEASE_LOCKOWNER"),
            ("v4", 42, "EXCHANGE_ID"),
            ("v4", 53, "SEQUENCE"),
            ("v4", 58, "RECLAIM_COMPLETE"),
            ("v4", 59, "ALLOCATE"),
            ("v4", 71, "CLONE"),
            ("v4", 75, "REMOVEXATTR"),
            ("v4", 76, "76"),
        ] {
            assert_eq!(name(version, number), expected, "{version} {number}");
        }
    }
}
