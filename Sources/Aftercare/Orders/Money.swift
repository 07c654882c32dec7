/// An amount in whole minor units of its currency: cents for USD, yen for JPY.
struct Money: Hashable, Sendable {
    let amount: Int64
    /// ISO 4217.
    let currency: String

    init(amount: Int64, currency: String) {
        self.amount = amount
        self.currency = currency
    }

    /// Reads a decimal such as `10`, `10.00` or `-10.00` exactly, never through floating point.
    ///
    /// Nil for anything else, for more than 64 bits hold, and for digits finer than the currency has, unless they are
    /// zeros (`1000.00` yen). Nil too for a currency whose minor unit is not known: any guess could be wrong by a
    /// factor of a hundred.
    init?(decimal text: some StringProtocol, currency: String) {
        guard let exponent = Self.exponent(of: currency),
            let amount = Self.minorUnits(text.utf8, exponent: exponent)
        else { return nil }
        self.init(amount: amount, currency: currency)
    }

    var magnitude: Money { amount == .min ? self : Money(amount: abs(amount), currency: currency) }

    /// Nil for no amounts, for unknown ones, for different currencies, and beyond 64 bits.
    static func sum(_ amounts: [Money?]) -> Money? {
        guard let currency = amounts.first??.currency else { return nil }
        var sum: Int64 = 0
        for money in amounts {
            guard let money, money.currency == currency else { return nil }
            let (next, overflows) = sum.addingReportingOverflow(money.amount)
            guard !overflows else { return nil }
            sum = next
        }
        return Money(amount: sum, currency: currency)
    }

    /// `EUR 19.90`, `JPY 600`: the code before the digits and a point before the decimals is read alike everywhere, and
    /// tells one dollar from another.
    var written: String {
        let digits = String(amount.magnitude)
        let sign = amount < 0 ? "-" : ""
        guard let exponent = Self.exponent(of: currency), exponent > 0 else { return "\(currency) \(sign)\(digits)" }
        let padded = String(repeating: "0", count: max(0, exponent + 1 - digits.count)) + digits
        return "\(currency) \(sign)\(padded.dropLast(exponent)).\(padded.suffix(exponent))"
    }

    private static func minorUnits(_ text: some Sequence<UInt8>, exponent: Int) -> Int64? {
        var amount: Int64 = 0
        var digits = 0
        // Digits after the point; nil before it.
        var fraction: Int?
        var isNegative = false
        for (index, byte) in text.enumerated() {
            switch byte {
            case UInt8(ascii: "-") where index == 0:
                isNegative = true
            case UInt8(ascii: ".") where fraction == nil && digits > 0:
                fraction = 0
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                digits += 1
                if let count = fraction {
                    fraction = count + 1
                    if count == exponent || count > exponent {
                        guard byte == UInt8(ascii: "0") else { return nil }
                        continue
                    }
                }
                guard let next = shifted(amount, adding: Int64(byte - UInt8(ascii: "0"))) else { return nil }
                amount = next
            default:
                return nil
            }
        }
        guard digits > 0, fraction != 0 else { return nil }
        for _ in min(fraction ?? 0, exponent)..<exponent {
            guard let next = shifted(amount, adding: 0) else { return nil }
            amount = next
        }
        return isNegative ? -amount : amount
    }

    private static func shifted(_ amount: Int64, adding digit: Int64) -> Int64? {
        let (product, overflows) = amount.multipliedReportingOverflow(by: 10)
        let (sum, carries) = product.addingReportingOverflow(digit)
        return overflows || carries ? nil : sum
    }

    // MARK: ISO 4217

    /// How many decimals the currency's minor unit has; nil for a code that ISO 4217 does not list as a currency.
    static func exponent(of currency: String) -> Int? { exponents[currency] }

    private static let exponents: [String: Int] = {
        var exponents: [String: Int] = [:]
        for (codes, exponent) in [(none, 0), (two, 2), (three, 3), (four, 4)] {
            for code in codes.split(separator: " ") { exponents[String(code)] = exponent }
        }
        return exponents
    }()

    // The list of 2024, and codes withdrawn since 2000 that old orders may still carry.
    private static let none = "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
    private static let three = "BHD IQD JOD KWD LYD OMR TND"
    private static let four = "CLF UYW"
    private static let two = """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE \
        CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EEK EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD \
        HKD HNL HRK HTG HUF IDR ILS INR IRR JEP JMD KES KGS KHR KID KPW KYD KZT LAK LBP LKR LRD LSL LTL LVL MAD MDL MGA MKD \
        MMK MNT MOP MRO MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD \
        RUB SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STD STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH \
        USD USN UYU UZS VED VEF VES WST XCD XCG YER ZAR ZMK ZMW ZWG ZWL
        """
}
