import Postgres

enum DevelopmentStore {
    static func databases(named name: String) -> SQL {
        "SELECT oid FROM pg_database WHERE datname = \(name)"
    }
}
