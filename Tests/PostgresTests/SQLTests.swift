import Foundation
import Support
import Testing

@testable import Postgres

@Suite struct SQLTests {
    @Test func `interpolated values become numbered parameters, never text`() {
        let name = "'; DROP TABLE orders; --"
        let statement: SQL = "SELECT * FROM orders WHERE name = \(name) AND number > \(7) OR number = \(7)"
        #expect(statement.text == "SELECT * FROM orders WHERE name = $1 AND number > $2 OR number = $3")
        #expect(statement.parameters.count == 3)
    }

    @Test func `a statement may have many parameters`() async throws {
        var interpolation = SQL.StringInterpolation(literalCapacity: 0, interpolationCount: 0)
        interpolation.appendLiteral("SELECT 0")
        for number in 1...100 {
            interpolation.appendLiteral(" + ")
            interpolation.appendInterpolation(number)
        }
        interpolation.appendLiteral(" AS sum")
        let statement = SQL(stringInterpolation: interpolation)
        #expect(statement.text.contains("$9 + $10 ") && statement.text.contains("$64 + $65 + $66 "))
        #expect(try await superuser.execute(statement)[0]("sum", as: Int.self) == 5050)
    }

    @Test func `a literal has no parameters`() {
        let statement: SQL = "SELECT 1"
        #expect(statement.text == "SELECT 1")
        #expect(statement.parameters.count == 0)
    }

    @Test func `only unsafe interpolation is text`() {
        let statement: SQL = "SELECT \(1) FROM \(unsafe: "orders_2") WHERE id = \(2)"
        #expect(statement.text == "SELECT $1 FROM orders_2 WHERE id = $2")
        #expect(SQL(unsafe: "SELECT 2").text == "SELECT 2")
    }

    @Test func `every parameter carries its type`() {
        let statement: SQL = """
            \(true) \(1) \(Int64(1)) \(Int32(1)) \(Int16(1)) \(1.5) \("a") \(UUID()) \(Bytea([1])) \(JSONB("{}".utf8))
            """
        #expect(statement.parameters.types == [16, 20, 20, 23, 21, 701, 25, 2950, 17, 3802])
        let arrays: SQL = "\([1]) \(["a"]) \([Int32?]()) \([UUID?.none])"
        #expect(arrays.parameters.types == [1016, 1009, 1007, 2951])
    }

    @Test func `nil has the type of what it might have been`() {
        let statement: SQL = "\(String?.none) \(Int32?.some(1))"
        #expect(statement.parameters.types == [25, 23])
        #expect(statement.parameters.ranges.map(\.length) == [-1, 4])
    }

    @Test func `an empty text is not NULL`() async throws {
        let rows = try await superuser.execute("SELECT \("") = '' AS same, \("") IS NULL AS missing")
        let (same, missing) = try rows[0].decode((Bool, Bool).self)
        #expect(same && !missing)
    }

    @Test func `a hostile text stays a value`() async throws {
        let hostile = "x'); DROP TABLE pg_class; SELECT ('$1 \\ \" % \u{1F600}"
        let answered: String = try await superuser.execute("SELECT \(hostile) AS value")[0]("value")
        #expect(answered == hostile)
    }
}
