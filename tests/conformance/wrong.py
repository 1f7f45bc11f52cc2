def errors():
    return []
