import JSON
import Testing

@Suite struct `JSON values` {
    /// Edge case 6: the text of a number is part of what was signed. Edge case 8: ids beyond 2^53.
    @Test(arguments: ["12", "12.0", "12.00", "1e400", "-0", "9007199254740993", "18446744073709551616", "1E+2"])
    func `a number keeps its text`(_ text: String) throws {
        #expect(try JSON(parsing: "[\(text)]").serialized == "[\(text)]")
    }

    @Test func `integers are exact or absent`() throws {
        func int(_ text: String) throws -> Int64? { try JSON(parsing: text).int64Value }
        #expect(try int("9007199254740993") == 9_007_199_254_740_993)
        #expect(try int("9223372036854775807") == .max)
        #expect(try int("-9223372036854775808") == .min)
        #expect(try int("9223372036854775808") == nil)
        #expect(try int("-0") == 0)
        #expect(try int("12.0") == nil)
        #expect(try int("1e3") == nil)
        #expect(try int("\"12\"") == nil)
    }

    @Test func `doubles are finite or absent`() throws {
        #expect(try JSON(parsing: "12.5").doubleValue == 12.5)
        #expect(try JSON(parsing: "1e400").doubleValue == nil)
        #expect(try JSON(parsing: "1e-400").doubleValue == 0)
        #expect(JSONNumber(Double.infinity) == nil)
    }

    @Test func `numbers are equal when their texts are`() throws {
        #expect(try JSON(parsing: "12") != JSON(parsing: "12.0"))
        #expect(JSONNumber(text: "12")?.int64 == 12)
        for text in ["", "+1", "01", "1.", ".1", "1e", " 1", "1 ", "0x1", "NaN"] {
            #expect(JSONNumber(text: text) == nil, "\(text)")
        }
    }

    @Test func `literals and accessors make short code`() {
        let json: JSON = ["a": 1, "b": [true, nil, 2.5, "x"], "c": ["d": [:]]]
        #expect(json["a"]?.int64Value == 1)
        #expect(json["b"]?[0]?.boolValue == true)
        #expect(json["b"]?[1]?.isNull == true)
        #expect(json["b"]?[4] == nil)
        #expect(json["b"]?[3]?.stringValue == "x")
        #expect(json["c"]?["d"]?.objectValue?.isEmpty == true)
        #expect(json["c"]?["x"]?["y"] == nil)
        #expect(json["b"]?.arrayValue?.count == 4)
        #expect(json.serialized == #"{"a":1,"b":[true,null,2.5,"x"],"c":{"d":{}}}"#)
    }

    @Test func `objects keep order and compare without it`() {
        let a: JSON = ["a": 1, "b": 2]
        let b: JSON = ["b": 2, "a": 1]
        #expect(a == b)
        #expect(a.hashValue == b.hashValue)
        #expect(a.serialized != b.serialized)
        #expect(a.canonicalBytes == b.canonicalBytes)
        #expect(a != ["a": 1, "c": 2])
        #expect(a != ["a": 1])
    }

    @Test func `an object is edited like a dictionary on both sides of the index`() {
        for count in [3, 8, 9, 30] {
            var object = JSONObject()
            for number in 0..<count { object["m\(number)"] = .number(JSONNumber(number)) }
            object["m1"] = nil
            object["absent"] = nil
            object["m2"] = "two"
            object["new"] = true
            #expect(object.count == count)
            #expect(object["m1"] == nil)
            #expect(object["m2"] == "two")
            #expect(object["m\(count - 1)"] == (count == 3 ? "two" : .number(JSONNumber(count - 1))))
            #expect(object.position(of: "new") == count - 1)
            #expect(Array(object.names).first == "m0")
        }
    }
}
