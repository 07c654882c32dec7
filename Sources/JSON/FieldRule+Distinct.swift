extension FieldRule {
    /// An array of which no two elements have the same key; the later ones are reported, at the member `name` that
    /// holds it.
    public static func array<Element>(
        count: ClosedRange<Int>,
        of element: FieldRule<Element>,
        withDistinct name: String,
        _ key: @escaping (Element) -> String
    ) -> FieldRule<[Element]> where Value == [Element] {
        let array = FieldRule<[Element]>.array(count: count, of: element)
        return FieldRule<[Element]> { json, location, errors in
            guard let elements = array.checked(json, location, &errors) else { return nil }
            var seen: Set<[UInt8]> = []
            var isDistinct = true
            for (index, element) in elements.enumerated() where !seen.insert(Array(key(element).utf8)).inserted {
                let pointer = location.element(index).member(name).pointer
                errors.append(FieldError(pointer: pointer, code: .invalidFormat, detail: "is there twice"))
                isDistinct = false
            }
            return isDistinct ? elements : nil
        }
    }
}
