import Testing
import Time

// Reads of test literals: a bad one ends its test with the text that could not be read.

func zone(_ identifier: String) throws -> Zone {
    try #require(Zone(identifier), "no zone \(identifier)")
}

func instant(_ text: String) throws -> Instant {
    try #require(Instant(rfc3339: text), "no instant \(text)")
}

func time(_ text: String) throws -> LocalTimeOfDay {
    try #require(LocalTimeOfDay(text), "no time \(text)")
}

func wall(_ text: String) throws -> LocalDateTime {
    try #require(LocalDateTime(text), "no local time \(text)")
}
