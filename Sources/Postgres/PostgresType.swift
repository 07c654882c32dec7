/// A PostgreSQL type this client reads and writes, with the object identifiers of the catalogue `pg_type`.
public struct PostgresType: Hashable, Sendable {
    public let name: String
    let oid: UInt32
    let arrayOID: UInt32

    public static let bool = PostgresType(name: "bool", oid: 16, arrayOID: 1000)
    public static let bytea = PostgresType(name: "bytea", oid: 17, arrayOID: 1001)
    public static let int8 = PostgresType(name: "int8", oid: 20, arrayOID: 1016)
    public static let int2 = PostgresType(name: "int2", oid: 21, arrayOID: 1005)
    public static let int4 = PostgresType(name: "int4", oid: 23, arrayOID: 1007)
    public static let text = PostgresType(name: "text", oid: 25, arrayOID: 1009)
    public static let json = PostgresType(name: "json", oid: 114, arrayOID: 199)
    public static let float8 = PostgresType(name: "float8", oid: 701, arrayOID: 1022)
    public static let timestamptz = PostgresType(name: "timestamptz", oid: 1184, arrayOID: 1185)
    public static let uuid = PostgresType(name: "uuid", oid: 2950, arrayOID: 2951)
    public static let jsonb = PostgresType(name: "jsonb", oid: 3802, arrayOID: 3807)

    /// The arrays of the types above and of the other textual ones.
    static let arrays: Set<UInt32> = [
        1000, 1001, 1016, 1005, 1007, 1009, 199, 1022, 1182, 1185, 2951, 3807, 1002, 1003, 1014, 1015,
    ]

    /// Other textual types whose binary form is their text, as PostgreSQL sends them: name, bpchar, varchar, unknown.
    static func isTextual(_ oid: UInt32) -> Bool {
        // No set: it is asked for every text of every row.
        switch oid {
        case 18, 19, 25, 705, 1042, 1043: true
        default: false
        }
    }
}
