import Testing

@testable import Aftercare

@Suite struct `Amounts of money` {
    // domain.md 5, Ingest 8.
    @Test(
        arguments: [
            ("10", "EUR", 1000), ("10.0", "EUR", 1000), ("10.00", "EUR", 1000), ("-10.00", "EUR", -1000),
            ("0.01", "USD", 1), ("-0.05", "USD", -5), ("0", "USD", 0), ("10.000", "USD", 1000),
            ("1000", "JPY", 1000), ("1000.00", "JPY", 1000), ("-1", "JPY", -1),
            ("1.234", "KWD", 1234), ("1.2", "KWD", 1200), ("1", "KWD", 1000), ("0.0001", "CLF", 1),
            ("92233720368547758.07", "USD", Int64.max), ("00012.50", "USD", 1250),
        ] as [(String, String, Int64)]
    )
    func `a decimal becomes exact minor units`(_ text: String, _ currency: String, _ amount: Int64) {
        #expect(Money(decimal: text, currency: currency) == Money(amount: amount, currency: currency))
    }

    @Test(arguments: [
        ("", "EUR"), ("-", "EUR"), (".", "EUR"), (".5", "EUR"), ("5.", "EUR"), ("1e3", "EUR"), ("1,00", "EUR"),
        ("+1", "EUR"), ("--1", "EUR"), ("1.2.3", "EUR"), (" 1", "EUR"), ("0x10", "EUR"), ("\u{0661}", "EUR"),
        ("0.001", "EUR"), ("0.5", "JPY"), ("92233720368547758.08", "USD"), ("99999999999999999999", "JPY"),
        ("10.00", "XYZ"), ("10.00", "eur"), ("10.00", ""), ("10.00", "XAU"),
    ])
    func `what is no exact amount of a known currency is none`(_ text: String, _ currency: String) {
        #expect(Money(decimal: text, currency: currency) == nil)
    }
}
