import CCurl

/// One libcurl easy handle with everything it borrows: header lists and the error text. Used by the loop's thread only.
final class EasyHandle {
    let pointer: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private var lists: [UnsafeMutablePointer<curl_slist>] = []
    /// The first option libcurl refused, if any. Checked once, after all are set.
    private(set) var refused: String?

    /// Nil when libcurl is out of memory.
    init?() {
        guard let pointer = curl_easy_init() else { return nil }
        self.pointer = pointer
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        note(ccurl_set_pointer(pointer, CURLOPT_ERRORBUFFER, errorText))
        // Signals are process-wide, the loop is one thread among many.
        set(CURLOPT_NOSIGNAL, 1)
        // `http_proxy` and friends in the environment must not reroute a request whose address was vetted.
        set(CURLOPT_PROXY, "")
        set(CURLOPT_NOPROXY, "*")
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
    }

    deinit {
        curl_easy_cleanup(pointer)
        for list in lists { curl_slist_free_all(list) }
        errorText.deallocate()
    }

    func set(_ option: CURLoption, _ value: Int) { note(ccurl_set_long(pointer, option, value)) }
    func set(_ option: CURLoption, _ value: String) { note(ccurl_set_string(pointer, option, value)) }
    func set(_ option: CURLoption, offset: Int) { note(ccurl_set_offset(pointer, option, curl_off_t(offset))) }
    func set(_ option: CURLoption, context: UnsafeMutableRawPointer?) {
        note(ccurl_set_pointer(pointer, option, context))
    }
    func set(_ option: CURLoption, callback: @escaping ccurl_data_callback) {
        note(ccurl_set_data_callback(pointer, option, callback))
    }
    func set(beforeRequest callback: @escaping ccurl_prereq_callback) {
        note(ccurl_set_prereq_callback(pointer, callback))
    }

    func set(_ option: CURLoption, list lines: [String]) {
        var head: UnsafeMutablePointer<curl_slist>?
        for line in lines {
            guard let longer = curl_slist_append(head, line) else {
                refused = refused ?? "out of memory"
                break
            }
            head = longer
        }
        guard let head else { return }
        lists.append(head)
        note(ccurl_set_list(pointer, option, head))
    }

    /// The whole deadline, connecting included. Rounded up to a millisecond: to libcurl zero means "for ever".
    func set(deadline: Duration) {
        set(CURLOPT_TIMEOUT_MS, max(1, min(deadline.wholeMilliseconds, Int(Int32.max))))
    }

    func long(_ info: CURLINFO) -> Int {
        var value = 0
        return ccurl_get_long(pointer, info, &value) == CURLE_OK ? value : 0
    }

    /// The socket of a finished `CONNECT_ONLY` transfer.
    var activeSocket: curl_socket_t? {
        var socket: curl_socket_t = -1
        return ccurl_get_socket(pointer, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK && socket >= 0 ? socket : nil
    }

    /// libcurl's own words for what went wrong, or the general text of `code` where it left none.
    func text(_ code: CURLcode) -> String {
        let detail = String(cString: errorText)
        return detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
    }

    private func note(_ code: CURLcode) {
        if code != CURLE_OK, refused == nil { refused = String(cString: curl_easy_strerror(code)) }
    }
}

extension Duration {
    /// Whole milliseconds, rounded up, never negative.
    var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        guard seconds < 1 << 40 else { return 1 << 50 }
        return Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
