import JSON
import Testing

@Suite struct `JSON writing` {
    @Test func `strings escape what must be escaped and nothing else`() {
        let json: JSON = "a\"b\\c/d\u{8}\u{C}\n\r\t\u{0}\u{1F}\u{7F}é😀\u{2028}"
        #expect(json.serialized == #""a\"b\\c/d\b\f\n\r\t\u0000\u001f"# + "\u{7F}é😀\u{2028}\"")
    }

    @Test func `canonical bytes sort members at every level by UTF-8`() {
        let json: JSON = ["é": 1, "z": ["b": 1, "a": [["y": 1, "x": 2]]], "a": 1.50, "": nil]
        #expect(
            String(decoding: json.canonicalBytes, as: UTF8.self)
                == #"{"":null,"a":1.5,"z":{"a":[{"x":2,"y":1}],"b":1},"é":1}"#
        )
    }

    @Test func `a response is written without a tree`() {
        var writer = JSONWriter()
        writer.object { order in
            order.member("id", "ord_1")
            order.member("version", 7)
            order.member("paid", true)
            order.member("note", String?.none)
            order.memberIfPresent("left_out", String?.none)
            order.memberIfPresent("kept", Int64(-1))
            order.member("ratio", 0.5)
            order.member("infinite", Double.infinity)
            order.member("tags", ["a", "b"])
            order.member("raw", ["x": [1, nil]] as JSON)
            order.object("total") {
                $0.member("amount", 1299)
                $0.member("currency", "EUR")
            }
            order.object("empty") { _ in }
            order.array("items", 1...2) { writer, number in writer.object { $0.member("n", number) } }
            order.array("mixed") {
                $0.element(1)
                $0.object { $0.member("a", "b") }
                $0.element { $0.array { _ in } }
            }
            order.member("forgotten") { _ in }
        }
        #expect(
            writer.text == #"{"id":"ord_1","version":7,"paid":true,"note":null,"kept":-1,"ratio":0.5,"infinite":null,"#
                + #""tags":["a","b"],"raw":{"x":[1,null]},"total":{"amount":1299,"currency":"EUR"},"empty":{},"#
                + #""items":[{"n":1},{"n":2}],"mixed":[1,{"a":"b"},[]],"forgotten":null}"#
        )
    }

    @Test func `an error thrown while writing passes through and leaves the text closed`() {
        struct Stop: Error {}
        var writer = JSONWriter()
        #expect(throws: Stop.self) {
            try writer.object { (object) throws(Stop) in
                object.member("a", 1)
                throw Stop()
            }
        }
        #expect(writer.text == #"{"a":1}"#)
    }
}
